internal import KeeperProtocol
internal import UVLoop

/// The end of one session: a keeper goes down its ladder, or what a dead keeper has left running is ended. Then every
/// process that belonged to the session is looked at once more, and files that are left are removed.
final class KeeperStop {
    /// A process that SIGKILL was sent to is given this time to be gone.
    static let killTime = Duration.seconds(1)
    /// The longest that a keeper takes for its last step, and as much again for a busy machine.
    private static let keepersKillTime = Duration.seconds(3)

    private enum Target {
        case keeper(KeeperHold)
        /// The child of a dead keeper.
        case orphan(ProcessDescriptor)

        var process: ProcessDescriptor {
            switch self {
            case .keeper(let keeper): keeper.process
            case .orphan(let child): child
            }
        }
    }

    private let session: SessionID
    private let paths: KeeperPaths
    private let ladder: StopLadder
    private let loop: Loop
    private let target: Target
    /// Everything below the target, by pid, held before the first signal: when the target is gone nothing else leads there.
    private var members: [Int32: ProcessDescriptor] = [:]
    private var wasKilled = false
    private var wait: ProcessWait?
    private var completion: ((KeeperManager.StopResult) -> Void)?

    /// The session's keeper is to end. `completion` runs once, on a later tick.
    convenience init(
        _ keeper: KeeperHold, of session: SessionID, in paths: KeeperPaths, ladder: StopLadder, on loop: Loop,
        completion: @escaping (KeeperManager.StopResult) -> Void,
    ) {
        let ladder = keeper.isOurs ? ladder.completed(by: KeeperStop.settings(of: keeper.pid)) : ladder
        self.init(.keeper(keeper), session, paths, ladder, loop, completion)
    }

    /// The child of a session whose keeper is dead is to end.
    convenience init(
        orphan child: ProcessDescriptor, of session: SessionID, in paths: KeeperPaths, ladder: StopLadder,
        on loop: Loop, completion: @escaping (KeeperManager.StopResult) -> Void,
    ) {
        self.init(.orphan(child), session, paths, ladder, loop, completion)
    }

    private init(
        _ target: Target, _ session: SessionID, _ paths: KeeperPaths, _ ladder: StopLadder, _ loop: Loop,
        _ completion: @escaping (KeeperManager.StopResult) -> Void,
    ) {
        self.target = target
        self.session = session
        self.paths = paths
        self.ladder = ladder
        self.loop = loop
        self.completion = completion
    }

    func start() {
        holdMembers()
        do throws(UVError) {
            switch target {
            case .keeper(let keeper):
                try keeper.terminate(ladder)
                waitForTarget(ladder.total + KeeperStop.keepersKillTime)
            case .orphan(let child):
                try signal(child, .terminate, .continue)
                // One that takes no signal keeps none of the others from getting theirs, and is named at the end.
                for process in members.values {
                    do throws(UVError) { try signal(process, .terminate, .continue) } catch { continue }
                }
                members[child.pid] = child
                waitForTarget(ladder.completed(by: .gentle).terminate ?? .zero)
            }
        } catch .noProcess {
            waitForTarget(.zero)
        } catch {
            loop.onNextTick { self.end(.notPermitted) }
        }
    }

    /// Gives it up: its end is ``KeeperManager/StopResult/closed``, on a later tick. What was signalled stays so.
    func cancel() {
        guard let wait else { return loop.onNextTick { self.end(.closed) } }
        wait.cancel()
    }

    // MARK: Steps

    private func waitForTarget(_ time: Duration) {
        let awaited: [ProcessDescriptor] =
            switch target {
            case .keeper(let keeper): [keeper.process]
            case .orphan: Array(members.values)
            }
        wait(for: awaited, atMost: time) { haveEnded in
            if !haveEnded { self.killTarget() }
            self.killMembers()
        }
    }

    /// The keeper has not ended in its time.
    private func killTarget() {
        // The session may have started more since.
        holdMembers()
        // Process 1 of a container takes no SIGKILL from inside, and would take everything with it from outside.
        guard target.process.pid > 1 else { return }
        wasKilled = true
        members[target.process.pid] = target.process
    }

    /// A keeper of ours has left nothing but what cannot be killed; one of another kind may have.
    private func killMembers() {
        let left = members.values.filter { !$0.hasEnded }
        for process in left {
            // Whatever does not take it is named below.
            do throws(UVError) { try process.send(.kill) } catch { continue }
        }
        wait(for: left, atMost: KeeperStop.killTime) { _ in self.finish(left) }
    }

    private func finish(_ killed: [ProcessDescriptor]) {
        var survivors = killed.filter { !$0.hasEnded }
        let target = target.process
        if !target.hasEnded, !survivors.contains(where: { $0.pid == target.pid }) { survivors.append(target) }
        // The file that names a child that lives is the last trace of it, and stays.
        if target.hasEnded { _ = KeeperCleanup.remove(session, paths: paths, makesPIDFile: true) }
        guard survivors.isEmpty else {
            return end(.survived(survivors.map { ProcessSurvivor(pid: $0.pid, name: ProcessDetails.name(of: $0.pid)) }))
        }
        // Something else may serve its socket, for instance a process that the keeper has handed it to.
        switch KeeperInspection.finding(session, paths: paths) {
        case .live(pid: nil): end(.stillServed)
        // A keeper that was started since is another session. If it cannot be told, for want of descriptors for instance,
        // nothing is known to serve it: this session's processes have ended.
        case .live, .undecided, .dead, .absent: end(wasKilled ? .killed : .stopped)
        }
    }

    private func end(_ result: KeeperManager.StopResult) {
        guard let completion else { return }
        self.completion = nil
        completion(result)
    }

    private func wait(
        for processes: [ProcessDescriptor], atMost time: Duration, _ completion: @escaping (_ haveEnded: Bool) -> Void,
    ) {
        wait = ProcessWait(for: processes, atMost: time, on: loop) { result in
            self.wait = nil
            switch result {
            case .allHaveEnded: completion(true)
            case .timedOut: completion(false)
            case .canceled: self.end(.closed)
            }
        }
    }

    // MARK: Processes

    /// This program may be one of them, and does not end itself.
    private func holdMembers() {
        let target = target.process
        var found = ProcessTree.descendants(of: target.pid, leavingOut: KeeperProcesses.contain)
        // What has lost its parent is below a keeper of ours all the same, since that adopts it: no look at every process of
        // the system, which would make the end of thousands of sessions take as long as the square of their number.
        if !isOurs, ProcessDetails(of: target.pid)?.session == target.pid {
            // A keeper that was started from within need not lead a session of its own.
            let inSession = ProcessTree.members(ofSessions: [target.pid])[target.pid] ?? []
            let apart = inSession.map(\.pid).filter(KeeperStop.mayBeKeeper)
            let theirs = Set(apart + apart.flatMap { ProcessTree.descendants(of: $0).map(\.pid) })
            found += inSession.filter { !theirs.contains($0.pid) }
        }
        // Found by a number that may be another process's by now: then they are not this session's.
        guard !target.hasEnded else { return }
        for process in found where members[process.pid]?.hasEnded ?? true {
            if process.pid != CurrentProcess.id { members[process.pid] = process }
        }
    }

    private var isOurs: Bool { if case .keeper(let keeper) = target { keeper.isOurs } else { false } }

    /// Also one of which that cannot be told, for want of descriptors: it is not signalled.
    private static func mayBeKeeper(_ pid: Int32) -> Bool {
        do throws(UVError) { return try KeeperProcesses.contain(pid) } catch { return true }
    }

    private func signal(_ process: ProcessDescriptor, _ signals: Signal...) throws(UVError) {
        for signal in signals {
            do throws(UVError) { try process.send(signal) } catch .noProcess { return }
        }
    }

    /// The settings that a keeper was started with, as its environment says.
    private static func settings(of keeper: Int32) -> StopLadder {
        guard let environment = ProcessDetails.environment(of: keeper) else { return StopLadder() }
        let step = { (name: String) in environment[name].flatMap { Int($0) }.map { Duration.milliseconds($0) } }
        return StopLadder(
            endOfInput: step(KeeperVariable.stopEndOfInput), terminate: step(KeeperVariable.stopTerminate))
    }
}
