import Histogram
import Testing

@testable import uvkeeper_stress

@Suite struct HistogramFileTests {
    @Test("what is written reads back", arguments: [[], [1], [1, 1, 2, 100, 65_537, 600_000_000]])
    func readsBack(values: [UInt64]) throws {
        let before = histogram(values)
        let text = HistogramFile.encode(before)
        #expect(text.hasPrefix("HISTFAAAA"))
        let after = try HistogramFile.decode(text)
        #expect(after.totalCount == UInt64(values.count))
        #expect(after.allValues().map(\.count) == before.allValues().map(\.count))
        #expect(HistogramFile.encode(after) == text)
    }

    /// Made by hdrhistogram 0.10.8 of PyPI, of 1 to 600,000,000 with three digits, and by zlib without compression.
    private static let foreign = """
        HISTFAAAAEB4AQE1AMr/HISTEwAAAA0AAAAAAAAAAwAAAAAAAAABAAAAACPDRgA/8AAAAAAAAAEEAsEB\
        ArVuAu3RAQKOUAdk
        """

    @Test("another implementation writes the same for the same values, and is read") func foreign() throws {
        let same = histogram([1, 1, 2, 100, 65_537, 600_000_000])
        #expect(HistogramFile.encode(same) == Self.foreign)
        #expect(try HistogramFile.decode(Self.foreign).allValues().map(\.count) == same.allValues().map(\.count))
    }

    @Test("the sum of two files is the histogram of all values") func merged() throws {
        let one = Array<UInt64>(stride(from: 1, to: 50_000, by: 7))
        let two = Array<UInt64>(stride(from: 3, to: 9_000_000, by: 901))
        var sum = try HistogramFile.decode(HistogramFile.encode(histogram(one)))
        sum.add(try HistogramFile.decode(HistogramFile.encode(histogram(two))))
        let all = histogram(one + two)
        #expect(HistogramFile.encode(sum) == HistogramFile.encode(all))
        #expect(sum.valueAtPercentile(99) == all.valueAtPercentile(99))
    }

    @Test(
        "what is no histogram is refused", arguments: ["", "HISTFAAAA", "not base64!", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"])
    func damaged(text: String) {
        #expect(throws: StressError.self) { try HistogramFile.decode(text) }
    }

    private func histogram(_ values: [UInt64]) -> Histogram<UInt64> {
        var histogram = Histogram<UInt64>(highestTrackableValue: 600_000_000)
        for value in values { histogram.record(value) }
        return histogram
    }
}
