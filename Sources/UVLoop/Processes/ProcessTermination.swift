/// What became of a process that was told to end.
public enum KillResult: Hashable, Sendable {
    /// It was gone already, or has ended on SIGTERM.
    case ended
    /// It did not end in time and was killed by SIGKILL.
    case killed
    /// It runs on: not even SIGKILL has ended it yet.
    case survived
    /// It belongs to somebody else, or the pid is below 2; nothing was signalled.
    case notPermitted
    /// The loop has closed all handles first; the process may have been signalled, and how it ends is not watched.
    case canceled
}

extension Processes {
    /// Ends a process: SIGTERM, then, if it is still there after `grace`, SIGKILL. `completion` runs once, on a later tick.
    ///
    /// The pid is tied to the process that has it now by its start time, where the system tells that; if it ends and the
    /// number is used again in between, the new process is not signalled. Mirrors the original's `killProcess`.
    ///
    /// - Parameters:
    ///   - pid: the process.
    ///   - group: signal the process group it leads; if it leads none, the process alone.
    ///   - grace: the time between the two signals. After SIGKILL it is given two seconds to be gone.
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

    /// The two steps; kept alive by its timer until it ends.
    private final class Kill {
        private static let interval = Duration.milliseconds(10)
        private static let killDeadline = Duration.seconds(2)

        private let pid: Int32
        private let group: Bool
        /// Nil where the system does not tell when a process has started.
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
            // Without a descriptor it cannot be told; only another start time is another process.
            guard let identity, let now = ProcessDetails(of: pid) else { return false }
            return !identity.isOf(now)
        }

        /// Whether it is, for all the system tells, still the process it was.
        private var isItself: Bool { identity.map { ProcessDetails(of: pid).map($0.isOf) ?? false } ?? true }

        /// Does `action` on the next tick, then looks again and again until the process is gone.
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

        /// Nil: sent.
        private func send(_ signal: Signal) -> KillResult? {
            guard pid > 1 else { return .notPermitted }
            guard !isGone else { return .ended }
            // Nobody is signalled on a guess. The second step tries again, and if it cannot either, the process survives.
            guard isItself else { return nil }
            do throws(UVError) {
                do throws(UVError) {
                    if group { try Processes.send(signal, toGroup: pid) } else { try Processes.send(signal, to: pid) }
                } catch .noProcess where group && !isGone {
                    // It leads no group.
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
