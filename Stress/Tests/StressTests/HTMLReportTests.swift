import Testing

@testable import uvkeeper_stress

@Suite struct HTMLReportTests {
    @Test("descriptors and handles are plotted as they were sampled") func openThings() throws {
        let page = HTMLReport.page(result(descriptors: [20, 30, 40], handles: [10, 10, 40]))
        let plot = try #require(section("Descriptors and handles", of: page))
        // The most is at the top, 0 at the bottom: of 14 and 224 in the plot's own units.
        #expect(plot.contains("<polyline class=\"a\" points=\"64.0,119.0 446.0,66.5 828.0,14.0\"/>"), "\(plot)")
        #expect(plot.contains("<polyline class=\"b\" points=\"64.0,171.5 446.0,171.5 828.0,14.0\"/>"), "\(plot)")
        #expect(plot.contains("<span class=\"a\">descriptors</span> <span class=\"b\">handles</span>"), "\(plot)")
    }

    @Test("where nothing was sampled, that is said") func nothing() throws {
        let plot = try #require(
            section("Descriptors and handles", of: HTMLReport.page(result(descriptors: [], handles: []))))
        #expect(plot.contains("Nothing was measured.") && !plot.contains("<svg"), "\(plot)")
    }

    @Test("failed starts are told with what explains them") func failedStarts() throws {
        var result = result(descriptors: [], handles: [])
        #expect(!HTMLReport.page(result).contains("<h2>Failed starts</h2>"))
        result.failedStarts = [
            .init(session: 2, start: 1.5, end: 1.75, error: "a < b", explainedBy: nil),
            .init(session: 3, start: 2, end: 3, error: "no", explainedBy: "descriptors-exhausted"),
        ]
        let page = HTMLReport.page(result)
        #expect(page.contains("<td>1.5</td><td>1.75</td><td>2</td><td>nothing</td><td>a &lt; b</td>"), "\(page)")
        #expect(page.contains("0 keepers started, 2 starts failed"), "\(page)")
        #expect(page.contains("1 by descriptors-exhausted, 1 for nothing"), "\(page)")
    }

    private func result(descriptors: [Int], handles: [Int]) -> RunResult {
        var result = RunResult(scenario: "soak", seed: 1, replay: "")
        result.samples = zip(descriptors, handles).enumerated().map { index, open in
            Sample(
                time: Double(index), lines: 0, bytes: 0, lag: 0, descriptors: open.0, handles: open.1, memory: 0,
                keepers: [])
        }
        return result
    }

    /// From a heading to the next one.
    private func section(_ title: String, of page: String) -> Substring? {
        guard let start = page.firstRange(of: "<h2>\(title)</h2>")?.upperBound else { return nil }
        let rest = page[start...]
        return rest[..<(rest.firstRange(of: "<h2>")?.lowerBound ?? rest.endIndex)]
    }
}
