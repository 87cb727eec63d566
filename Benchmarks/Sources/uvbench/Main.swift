import Glibc
import UVKeeper

/// usage: uvbench NAME COUNT [ARGUMENTS]; prints one line of JSON.
///        uvbench serve KIND; a server on a port, see `NetworkServers`.
@main
enum Main {
    static func main() throws {
        let benchmarks =
            LoopBenchmarks.all + PipeBenchmarks.all + ProcessBenchmarks.all + KeeperBenchmarks.all
            + SessionBenchmarks.all + ScaleBenchmark.all + AsyncBenchmarks.all
        let arguments = CommandLine.arguments
        if arguments.count >= 3, arguments[1] == "serve" { return try NetworkServers.run(arguments[2]) }
        guard arguments.count >= 3, let count = Int(arguments[2]), count > 0,
            let benchmark = benchmarks.first(where: { $0.name == arguments[1] })
        else {
            let names = benchmarks.map(\.name).joined(separator: " ")
            StandardStreams.writeError("usage: uvbench NAME COUNT [ARGUMENTS]; names: \(names)\n")
            exit(64)
        }
        try benchmark.run(count, Array(arguments[3...])).report(benchmark.name, count)
    }
}
