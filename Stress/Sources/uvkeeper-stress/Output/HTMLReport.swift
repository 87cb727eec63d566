import Histogram

/// A self-contained page: the closing table, plots as inline SVG, every fault. Readable in light and dark.
enum HTMLReport {
    static func page(_ result: RunResult) -> String {
        let verdict = result.holds ? "all invariants hold" : "an invariant is broken"
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>uvkeeper-stress \(result.scenario), seed \(result.seed): \(verdict)</title>
            <style>\(style)</style></head><body><main>
            <h1>uvkeeper-stress \(result.scenario), seed \(result.seed)</h1>
            <p class="\(result.holds ? "good" : "bad")" id="verdict">\(verdict)</p>
            <table class="facts"><tbody>\(facts(result))</tbody></table>
            \(plots(result).map { $0.svg() }.joined(separator: "\n"))
            \(faults(result))
            \(failedStarts(result))
            </main></body></html>

            """
    }

    private static func facts(_ result: RunResult) -> String {
        ClosingTable.rows(result).map { "<tr><th>\(Plot.escaped($0.0))</th><td>\(Plot.escaped($0.1))</td></tr>" }
            .joined()
    }

    private static func plots(_ result: RunResult) -> [Plot] {
        let marks = result.faults.map { ($0.start, "\($0.kind) at \(Texts.decimal($0.start)) s \($0.note)") }
        let samples = result.samples
        var last = 0.0
        var rates: [(x: Double, y: Double)] = []
        for sample in samples where sample.time > last {
            rates.append((sample.time, Double(sample.lines) / (sample.time - last)))
            last = sample.time
        }
        var plots = [percentiles(result)]
        plots.append(
            Plot(
                title: "Throughput", xLabel: "seconds, faults marked", yLabel: "Lines written per second",
                lines: [Plot.Line(name: "lines/s", style: "a", points: rates)], marks: marks))
        plots.append(
            Plot(
                title: "Loop lag", xLabel: "seconds, faults marked", yLabel: "Longest lag in milliseconds",
                lines: [Plot.Line(name: "lag", style: "b", points: samples.map { ($0.time, $0.lag) })], marks: marks))
        plots.append(
            Plot(
                title: "Descriptors and handles", xLabel: "seconds, faults marked", yLabel: "Open in the server",
                lines: [
                    Plot.Line(
                        name: "descriptors", style: "a", points: samples.map { ($0.time, Double($0.descriptors)) }),
                    Plot.Line(name: "handles", style: "b", points: samples.map { ($0.time, Double($0.handles)) }),
                ], marks: marks))
        let memory = samples.filter { !$0.keepers.isEmpty }
        let mebibytes = { (value: UInt64) in Double(value) / 1_048_576 }
        plots.append(
            Plot(
                title: "Memory per keeper", xLabel: "seconds", yLabel: "MiB, proportional share",
                lines: [
                    Plot.Line(
                        name: "largest", style: "c", points: memory.map { ($0.time, mebibytes($0.keepers.max() ?? 0)) }),
                    Plot.Line(
                        name: "mean", style: "a",
                        points: memory.map {
                            ($0.time, mebibytes($0.keepers.reduce(0, +) / UInt64($0.keepers.count)))
                        }),
                ]))
        return plots
    }

    /// Plots latency over percentile, each nine as wide as the one before.
    private static func percentiles(_ result: RunResult) -> Plot {
        var points: [(x: Double, y: Double)] = []
        if let histogram = try? HistogramFile.decode(result.latencyHistogram), histogram.totalCount > 0 {
            for step in 0...80 {
                let nines = Double(step) / 16
                let percentile = 100 * (1 - Plot.power(10, -nines))
                guard Plot.power(10, nines) <= Double(histogram.totalCount) * 2 else { break }
                points.append((nines, max(0.001, Double(histogram.valueAtPercentile(percentile)) / 1000)))
            }
        }
        var plot = Plot(
            title: result.scenario == "spawn" ? "Start of keepers" : "Latency", xLabel: "percentile",
            yLabel: "Milliseconds, logarithmic", lines: [Plot.Line(name: "latency", style: "a", points: points)])
        plot.isLogarithmic = true
        plot.xTicks = [0, 1, 2, 3, 4, 5]
        plot.xText = { ["0", "90", "99", "99.9", "99.99", "99.999"][min(5, max(0, Int($0)))] + " %" }
        return plot
    }

    private static func faults(_ result: RunResult) -> String {
        guard !result.faults.isEmpty else { return "" }
        let rows = result.faults.map { fault in
            let end = fault.end.map { Texts.decimal($0) } ?? ""
            let session = fault.session.map { "\($0)" } ?? "all"
            return "<tr><td>\(Texts.decimal(fault.start))</td><td>\(end)</td><td>\(fault.kind)</td><td>\(session)</td>"
                + "<td>\(fault.excused)</td><td>\(Plot.escaped(fault.note))</td></tr>"
        }
        return
            "<h2>Faults</h2><table><thead><tr><th>from s</th><th>to s</th><th>fault</th><th>session</th><th>what it excuses</th><th></th></tr>"
            + "</thead><tbody>\(rows.joined())</tbody></table>"
    }

    private static func failedStarts(_ result: RunResult) -> String {
        guard !result.failedStarts.isEmpty else { return "" }
        let rows = result.failedStarts.map { start in
            "<tr><td>\(Texts.decimal(start.start))</td><td>\(Texts.decimal(start.end))</td><td>\(start.session)</td>"
                + "<td>\(start.explainedBy ?? "nothing")</td><td>\(Plot.escaped(start.error))</td></tr>"
        }
        return
            "<h2>Failed starts</h2><table><thead><tr><th>from s</th><th>to s</th><th>session</th><th>explained by</th><th></th></tr>"
            + "</thead><tbody>\(rows.joined())</tbody></table>"
    }

    private static let style = """
        :root{--ink:#1b1f24;--soft:#667;--paper:#fff;--line:#dde;--a:#1f6feb;--b:#b35900;--c:#1a7f37;--mark:#d1242f}
        @media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#9aa3b2;--paper:#14171c;--line:#2c323c;--a:#6cb0ff;
        --b:#f0a050;--c:#5fd07a;--mark:#ff7b72}}
        body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
        main{max-width:900px;margin:auto;padding:1.5rem 1rem}h1{font-size:1.4rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}
        .facts th{font-weight:400;color:var(--soft)}.facts td{overflow-wrap:anywhere}svg{width:100%;height:auto}svg text{font-size:11px;fill:var(--soft)}
        text.y{text-anchor:end;dominant-baseline:middle}text.x{text-anchor:middle}.grid{stroke:var(--line)}
        .mark{stroke:var(--mark);stroke-opacity:.35}polyline{fill:none;stroke-width:1.6}
        polyline.a{stroke:var(--a)}polyline.b{stroke:var(--b)}polyline.c{stroke:var(--c)}
        span.a{color:var(--a)}span.b{color:var(--b)}span.c{color:var(--c)}.legend{color:var(--soft);margin:0}
        .good{color:var(--c)}.bad{color:var(--mark)}.good,.bad{font-weight:600}
        table{border-collapse:collapse;font-size:13px}td,th{text-align:left;padding:.1rem .7rem .1rem 0;
        border-bottom:1px solid var(--line);vertical-align:top}th{white-space:nowrap}
        """
}
