import Glibc
import UVKeeper

/// One measurement: a name, what to do a number of times, and what it says.
///
/// The same names and arguments as the C peer, `Peers/c/main.c`.
struct Benchmark: Sendable {
    let name: String
    let run: @Sendable (Int, [String]) throws -> Measurement
}

/// What a benchmark found: time for all operations together, and parts of one operation in nanoseconds.
struct Measurement: Sendable {
    let total: Duration
    var parts: [(name: String, nanoseconds: Double)] = []

    /// Prints the one line of JSON that `compare` reads.
    func report(_ name: String, _ count: Int) {
        let pieces = parts.map { "\"\($0.name)\":\($0.nanoseconds)" }.joined(separator: ",")
        let more = parts.isEmpty ? "" : ",\"parts\":{\(pieces)}"
        print("{\"name\":\"\(name)\",\"count\":\(count),\"ns_per_op\":\(total.nanoseconds / Double(count))\(more)}")
    }
}

/// What a benchmark has left to do; touched by the callbacks of one loop only, one after another.
///
/// A variable that closures share would do, too, but Swift checks each access to one for exclusivity, which costs as much
/// as what is measured here; the counter of the C peer is a plain `long`.
final class Countdown: @unchecked Sendable {
    var left: Int

    init(_ left: Int) { self.left = left }
}

/// The time `body` takes; with `UVBENCH_CLOCK=cpu` its processor time, for measuring on a busy machine.
func timed(_ body: () throws -> Void) rethrows -> Duration {
    let begin = timeNow()
    try body()
    return timeNow() - begin
}

/// The time on the clock that measurements are made by.
func timeNow() -> Duration {
    let isProcessorTime = ProcessEnvironment.current["UVBENCH_CLOCK"] == "cpu"
    var time = timespec()
    // Fails only for an unknown clock.
    _ = clock_gettime(isProcessorTime ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}

/// A benchmark that went wrong: its figures would mean nothing.
func fail(_ message: String) -> Never {
    StandardStreams.writeError("uvbench: \(message)\n")
    exit(1)
}

extension Duration {
    var nanoseconds: Double {
        Double(components.seconds) * 1e9 + Double(components.attoseconds) / 1e9
    }
}
