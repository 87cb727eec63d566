import KeeperProtocol
import Testing

@Suite("Log timestamp")
struct LogTimestampTests {
    /// Expected values are what Node's `new Date(ms).toISOString()` gives.
    @Test(
        "A time is written as JavaScript's toISOString writes it",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"),
            (1, "1970-01-01T00:00:00.001Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (68_169_600_000, "1972-02-29T00:00:00.000Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (-2_203_891_200_001, "1900-02-28T23:59:59.999Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
            (-62_167_219_200_001, "-000001-12-31T23:59:59.999Z"),
            (8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z"),
            (-8_640_000_000_000_000, "-271821-04-20T00:00:00.000Z"),
        ] as [(Int64, String)]
    )
    func matchesJavaScript(milliseconds: Int64, expected: String) {
        #expect(LogTimestamp.text(millisecondsSinceEpoch: milliseconds) == expected)
    }

    @Test("Every day from year 0 to 9999 follows the one before")
    func countsEveryDay() {
        var day: Int64 = -719_528
        for year in 0...9999 {
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            for (index, length) in [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].enumerated() {
                // The ends of every month are enough: between them only the day of the month counts up.
                let start = LogTimestamp.text(millisecondsSinceEpoch: day * 86_400_000)
                let end = LogTimestamp.text(millisecondsSinceEpoch: (day + Int64(length)) * 86_400_000 - 1)
                let month = pad(year, 4) + "-" + pad(index + 1, 2)
                guard start == month + "-01T00:00:00.000Z", end == month + "-\(length)T23:59:59.999Z" else {
                    Issue.record("\(start) to \(end) is not \(month)")
                    return
                }
                day += Int64(length)
            }
        }
    }

    @Test("No time traps", arguments: [Int64.min, .min + 1, .max - 1, .max])
    func bearsExtremes(milliseconds: Int64) {
        #expect(LogTimestamp.text(millisecondsSinceEpoch: milliseconds).hasSuffix("Z"))
    }

    private func pad(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: width - digits.count) + digits
    }
}
