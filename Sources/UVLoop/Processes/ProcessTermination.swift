/// The outcome of ending a process.
public enum KillResult: Hashable, Sendable {
    /// The process was gone already, or has ended on SIGTERM.
    case ended
    /// The process did not end in time and was killed by SIGKILL.
    case killed
    /// The process still runs: even SIGKILL has not ended it yet.
    case survived
    /// The process belongs to another user, or the pid is below 2; nothing was signalled.
    case notPermitted
    /// The loop closed all handles first; the process may have been signalled, and its end is not watched.
    case canceled
}

extension Processes {
    /// Ends a process: by SIGTERM, then, if it still exists after `grace`, by SIGKILL. `completion` runs once, on a
    /// later tick.
    ///
    /// The process is identified by its start time, if the system tells it: if the process ends and its pid is reused
    /// in between, the new process is not signalled. Mirrors the original's `killProcess`.
    ///
    /// - Parameters:
    ///   - pid: the process.
    ///   - group: true to signal the process group that the process leads; if it leads none, the process alone.
    ///   - grace: the time between the two signals. After SIGKILL the process has two seconds to end.
    ///   - loop: where `completion` runs.
    ///   - completion: told what became of the process; runs once, on a later tick.
    public static func killProcess(
        _ pid: Int32,
        group: Bool = false,
        grace: Duration = .seconds(2),
        on loop: Loop,
        completion: @escaping (KillResult) -> Void,
    ) {
        Kill(pid, group: group, grace: grace, on: loop, completion: completion).start()
    }

    /// The two steps, kept alive by their timer until they end.
    private final class Kill {
        private static let interval = Duration.milliseconds(10)
        private static let killDeadline = Duration.seconds(2)

        private let pid: Int32
        private let group: Bool
        /// The identity of the process; nil if the system does not tell its start time.
        private let identity: ProcessIdentity?
        private let timer: TimerHandle
        private var completion: ((KillResult) -> Void)?
        private var deadline: Duration
        private var isKilling = false

        init(
            _ pid: Int32,
            group: Bool,
            grace: Duration,
            on loop: Loop,
            completion: @escaping (KillResult) -> Void,
        ) {
            self.pid = pid
            self.group = group
            self.completion = completion
            identity = ProcessIdentity(of: pid)
            deadline = SystemClock.deadline(in: grace)
            timer = TimerHandle(on: loop)
            timer.onCanceled = { self.end(.canceled) }
        }

        func start() { step { self.send(.terminate) } }

        private var isGone: Bool {
            if Processes.liveness(of: pid) == .gone { return true }
            // The facts may be unavailable, for want of a descriptor; only a different start time proves another
            // process.
            guard let identity, let now = ProcessDetails(of: pid) else { return false }
            return !identity.isOf(now)
        }

        /// True unless the system shows that the pid is another process's.
        private var isItself: Bool { identity.map { ProcessDetails(of: pid).map($0.isOf) ?? false } ?? true }

        /// Does `action` on the next tick, then checks repeatedly until the process is gone.
        private func step(_ action: @escaping () -> KillResult?) {
            timer.start(after: .zero) { _ in
                if let result = action() { return self.end(result) }
                self.timer.start(after: Kill.interval, repeating: Kill.interval) { _ in self.look() }
            }
        }

        private func look() {
            if isGone { return end(isKilling ? .killed : .ended) }
            guard SystemClock.monotonicTime >= deadline else { return }
            guard !isKilling else { return end(.survived) }
            isKilling = true
            deadline = SystemClock.deadline(in: Kill.killDeadline)
            step { self.send(.kill) }
        }

        /// Sends the signal; returns nil if that was done.
        private func send(_ signal: Signal) -> KillResult? {
            guard pid > 1 else { return .notPermitted }
            guard !isGone else { return .ended }
            // A process of uncertain identity is not signalled. The second step tries again; if it cannot tell either,
            // the process survives.
            guard isItself else { return nil }
            do throws(UVError) {
                do throws(UVError) {
                    if group { try Processes.send(signal, toGroup: pid) } else { try Processes.send(signal, to: pid) }
                } catch .noProcess where group && !isGone {
                    // The process leads no group.
                    try Processes.send(signal, to: pid)
                }
                return nil
            } catch .noProcess {
                return .ended
            } catch {
                return .notPermitted
            }
        }

        private func end(_ result: KillResult) {
            timer.close()
            completion.take()?(result)
        }
    }
}
