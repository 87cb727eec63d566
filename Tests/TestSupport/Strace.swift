import Testing
public import UVLoop

/// A tracer of a process, which delays its system calls or makes them fail.
public final class Strace {
    private let process: ChildProcess
    private let loop: Loop
    private let pid: Int32

    /// Attaches to a process; returns when it is traced. Nil, with a message, if strace is missing or not permitted.
    ///
    /// - Parameters:
    ///   - call: the name of the system call.
    ///   - injection: the change to the call, for instance `error=ENOSPC`.
    public init?(_ pid: Int32, _ call: String, _ injection: String, on loop: Loop) throws {
        self.loop = loop
        self.pid = pid
        var status: ProcessExit?
        do {
            process = try ChildProcess(
                .init(
                    executable: "strace",
                    arguments: [
                        "-f", "-qq", "-o", "/dev/null", "-p", "\(pid)", "-e", "trace=\(call)", "-e",
                        "inject=\(call):\(injection)",
                    ]), on: loop
            ) { status = $1 }
        } catch {
            print("left out: strace cannot be started: \(error)")
            return nil
        }
        process.killWhenCanceled()
        try run(loop) { status != nil || Strace.isTraced(pid) }
        guard status == nil else {
            print("left out: strace may not trace")
            process.close()
            return nil
        }
    }

    /// Detaches from the process; returns when it is no longer traced.
    public func detach() throws {
        try process.kill(.terminate)
        try run(loop) { !process.isRunning && !Strace.isTraced(pid) }
        process.close()
    }

    private static func isTraced(_ pid: Int32) -> Bool {
        ProcessFigures(of: pid).number("TracerPid:", in: "status") ?? 0 > 0
    }
}
