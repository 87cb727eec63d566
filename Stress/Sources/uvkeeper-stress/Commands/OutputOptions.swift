import ArgumentParser
import UVKeeper

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The places where the result goes.
struct OutputOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Write everything that was found as JSON.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("Write a page with plots: one HTML file, nothing to fetch.", valueName: "file"))
    var report: String?

    @Option(
        help: ArgumentHelp(
            "Write the latency histogram in HDR format; `merge` adds such files up.", valueName: "file"))
    var histogram: String?

    @Flag(help: "No progress on stderr.")
    var quiet = false

    /// Checks the files before the run, since an hour's findings must have somewhere to go.
    func validate() throws {
        for path in [json, report, histogram] {
            guard let path else { continue }
            do throws(UVError) { try OpenFile(path, .append).close() } catch {
                // A terminal or pipe is not opened here, which would be too early.
                guard error != .invalidArgument, error != .symbolicLink else { continue }
                throw ValidationError("cannot write \(path): \(error)")
            }
        }
    }

    /// Prints the table, writes the files, and ends with status 1 if an invariant was broken, 2 if the run was incomplete.
    func finish(_ result: RunResult) throws {
        print(ClosingTable.text(result))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        do {
            if let json { try write(String(decoding: try encoder.encode(result), as: UTF8.self), to: json) }
            if let report { try write(HTMLReport.page(result), to: report) }
            if let histogram { try write(result.latencyHistogram + "\n", to: histogram) }
        } catch  where !result.holds {
            // The broken invariant is reported all the same, being the worse news.
            StandardStreams.writeError("Error: \(error)\n")
        }
        if !result.holds { throw ExitCode(1) }
        if result.incomplete != nil { throw ExitCode(2) }
    }

    private func write(_ text: String, to path: String) throws {
        do {
            try Data(text.utf8).write(to: URL(filePath: path))
        } catch {
            throw StressError("cannot write \(path): \(error)")
        }
    }
}
