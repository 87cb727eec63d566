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
                // On connections of their own, lines may be unknown on a slow machine.
                let run = try StressRun(
                    "writes", "--lines", "100", "--duration", "1000", "--sessions", "1", "--writers", "2", "--connect",
                    "pipelined", "--json",
                    "\(directory)/\(name).json",
                    "--report", "\(directory)/\(name).html", "--histogram", "\(directory)/\(name).hdr")
                #expect(run.code == 0, "\(run.output)")
            }
            let json = try text("\(directory)/a.json")
            #expect(
                json.contains("\"violations\" : {\n\n  }") && json.contains("\"written\" : 200")
                    && json.contains("\"failedStarts\" : ["), "\(json)")
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

    @Test(
        "a browser shows every plot within the page, in light and dark",
        .enabled(if: browser != nil, "no headless browser is installed"),
        arguments: [("1", "rgb(255, 255, 255)", "rgb(27, 31, 36)"), ("0", "rgb(20, 23, 28)", "rgb(230, 233, 238)")])
    func shown(scheme: String, paper: String, ink: String) throws {
        try withTemporaryDirectory { directory in
            let page = "\(directory)/a.html"
            let run = try StressRun(
                "restart", "--duration", "5", "--kill-interval", "0.5", "--sessions", "1", "--rate", "200", "--report",
                page)
            #expect(run.code == 0, "\(run.output)")
            let file = try OpenFile(page, .append)
            try file.write(Array(Self.measuring.utf8))
            file.close()
            let dump = try runProgram(
                Self.browser ?? "",
                [
                    "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=\(directory)/p",
                    "--blink-settings=preferredColorScheme=\(scheme)", "--window-size=1000,800", "--dump-dom",
                    "file://\(page)",
                ])
            let measured = "measured: \(paper) on it \(ink), 5 plots with lines, 0 without, 0 texts outside."
            #expect(dump.output.contains(measured), "\(dump.output.suffix(400))")
        }
    }

    /// Says in the page what a reader would see of it.
    private static let measuring = """
        <script>
        const style = getComputedStyle(document.body), all = query => [...document.querySelectorAll(query)];
        const shown = all("polyline").filter(line => {
            const box = line.getBoundingClientRect(), own = getComputedStyle(line);
            return box.width > 0 && own.stroke != "none" && own.stroke != style.backgroundColor;
        });
        const outside = all("svg text").filter(text => {
            const box = text.getBoundingClientRect(), frame = text.closest("svg").getBoundingClientRect();
            return box.left < frame.left || box.right > frame.right || box.bottom > frame.bottom;
        });
        const plots = new Set(shown.map(line => line.closest("svg"))).size;
        const empty = all("h2 + p").length, wide = document.documentElement.scrollWidth > innerWidth;
        document.body.append(`measured: ${style.backgroundColor} on it ${style.color}, ${plots} plots with lines, ` +
            `${empty} without, ${outside.length} texts outside${wide ? ", too wide" : ""}.`);
        </script>

        """

    private func text(_ path: String) throws -> String {
        String(decoding: try Files.read(path, limit: 1 << 24), as: UTF8.self)
    }
}
