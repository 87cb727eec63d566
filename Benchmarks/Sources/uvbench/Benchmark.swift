import Glibc
import UVKeeper

/// A measurement: a name, and an operation to do a number of times, which reports its time.
///
/// Names and arguments are those of the C peer, `Peers/c/main.c`.
struct Benchmark: Sendable {
    let name: String
    let run: @Sendable (Int, [String]) throws -> Measurement
}

/// The result of a benchmark: the time for all operations together, and parts of one operation in nanoseconds.
struct Measurement: Sendable {
    let total: Duration
    var parts: [(name: String, nanoseconds: Double)] = []

    /// Prints the line of JSON that `compare` reads.
    func report(_ name: String, _ count: Int) {
        let pieces = parts.map { "\"\($0.name)\":\($0.nanoseconds)" }.joined(separator: ",")
        let more = parts.isEmpty ? "" : ",\"parts\":{\(pieces)}"
        print("{\"name\":\"\(name)\",\"count\":\(count),\"ns_per_op\":\(total.nanoseconds / Double(count))\(more)}")
    }
}

/// The number of operations left; used only by the callbacks of one loop, one after another.
///
/// The counter is an object, not a variable that closures share: Swift checks each access to such a variable for
/// exclusivity, which costs as much as the measured operation. The counter of the C peer is a plain `long`.
final class Countdown: @unchecked Sendable {
    var left: Int

    init(_ left: Int) { self.left = left }
}

/// Returns the time that `body` takes; with `UVBENCH_CLOCK=cpu` its processor time, for measuring on a busy machine.
func timed(_ body: () throws -> Void) rethrows -> Duration {
    let begin = timeNow()
    try body()
    return timeNow() - begin
}

/// The time on the clock that measurements are made by.
func timeNow() -> Duration {
    let isProcessorTime = ProcessEnvironment.current["UVBENCH_CLOCK"] == "cpu"
    var time = timespec()
    // `clock_gettime` fails only for an unknown clock.
    _ = clock_gettime(isProcessorTime ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}

/// Ends a benchmark that went wrong, since its figures would mean nothing.
func fail(_ message: String) -> Never {
    StandardStreams.writeError("uvbench: \(message)\n")
    exit(1)
}

extension Duration {
    var nanoseconds: Double {
        Double(components.seconds) * 1e9 + Double(components.attoseconds) / 1e9
    }
}
