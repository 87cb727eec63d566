import ArgumentParser
import Histogram

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

struct MergeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Add up histograms that runs wrote with --histogram.",
        discussion: """
            Prints the percentiles of all together. The files hold one histogram per line, in the text form that the \
            HdrHistogram tools read (version 2, base64).

              uvkeeper-stress merge --output all.hdr monday.hdr tuesday.hdr
            """,
    )

    @Option(name: .customLong("output"), help: ArgumentHelp("Write the sum there.", valueName: "file"))
    var target: String?

    @Argument(help: "Files written by --histogram, or by merge.")
    var files: [String]

    func run() throws {
        var sum = Histogram<UInt64>(highestTrackableValue: 600_000_000)
        var count = 0
        for file in files {
            guard let data = try? Data(contentsOf: URL(filePath: file)) else {
                throw ValidationError("cannot read \(file)")
            }
            for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
                do {
                    sum.add(try HistogramFile.decode(String(line)))
                } catch {
                    throw ValidationError("\(file): \(error)")
                }
                count += 1
            }
        }
        print("\(count) histograms, \(Texts.count(Int(sum.totalCount))) values")
        print(RunResult.Percentiles(sum))
        if let target { try Data((HistogramFile.encode(sum) + "\n").utf8).write(to: URL(filePath: target)) }
    }
}
