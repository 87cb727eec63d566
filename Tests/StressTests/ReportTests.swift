import TestSupport
import Testing
import UVKeeper

@Suite(.serialized) struct ReportTests {
    private static let browser = ["chromium", "chromium-browser", "google-chrome", "chrome-headless-shell"].first {
        name in
        (ProcessEnvironment.current["PATH"] ?? "").split(separator: ":").contains {
            Files.isExecutable("\($0)/\(name)")
        }
    }

    @Test("JSON, page and histogram are complete; histograms add up") func files() throws {
        try withTemporaryDirectory { directory in
            for name in ["a", "b"] {
                let run = try StressRun(
                    "writes", "--lines", "100", "--sessions", "1", "--writers", "2", "--json",
                    "\(directory)/\(name).json",
                    "--report", "\(directory)/\(name).html", "--histogram", "\(directory)/\(name).hdr")
                #expect(run.code == 0, "\(run.output)")
            }
            let json = try text("\(directory)/a.json")
            #expect(json.contains("\"violations\" : {\n\n  }") && json.contains("\"written\" : 200"), "\(json)")
            let page = try text("\(directory)/a.html")
            #expect(page.contains("<svg") && page.contains("prefers-color-scheme:dark"))
            #expect(page.contains("all invariants hold") && page.contains("Loop lag"))
            #expect(!page.contains("http") && !page.contains("<script") && !page.contains("src="), "self-contained")
            #expect(try text("\(directory)/a.hdr").hasPrefix("HISTFAAAA"))
            let merged = try StressRun(
                "merge", "\(directory)/a.hdr", "\(directory)/b.hdr", "--output", "\(directory)/c.hdr", quiet: false)
            #expect(merged.code == 0 && merged.output.contains("2 histograms, 400 values"), "\(merged.output)")
            let again = try StressRun("merge", "\(directory)/c.hdr", quiet: false)
            #expect(again.output.contains("1 histograms, 400 values"), "\(again.output)")
        }
    }

    @Test("a browser shows the page", .enabled(if: browser != nil, "no headless browser is installed"))
    func shown() throws {
        try withTemporaryDirectory { directory in
            let page = "\(directory)/a.html"
            _ = try StressRun("writes", "--lines", "100", "--sessions", "1", "--report", page)
            let dump = try runProgram(
                Self.browser ?? "",
                [
                    "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=\(directory)/p", "--dump-dom",
                    "file://\(page)",
                ])
            #expect(dump.output.contains("<polyline") && dump.output.contains("id=\"verdict\""), "\(dump.output)")
        }
    }

    private func text(_ path: String) throws -> String {
        String(decoding: try Files.read(path, limit: 1 << 24), as: UTF8.self)
    }
}
