internal import KeeperProtocol
internal import UVLoop

/// One keeper's life: claim the session, start the child, publish the socket, forward lines, end the session's processes,
/// clean up.
final class Keeper {
    /// Every state carries what must be undone when it ends.
    enum State {
        /// Waiting for the session's lock, between two attempts if there is a timer; nothing exists yet.
        case claiming(attemptsLeft: Int, retry: TimerHandle?)
        /// Socket and child are being made, within one tick.
        case starting
        /// The crash window: if the child ends before the timer fires, the start has failed.
        case settling(Session, window: TimerHandle)
        case ready(Session)
        /// The session's processes are being ended.
        case stopping(Session, Ladder, Ending)
        case ended(KeeperExitStatus)
    }

    /// The outcome of a session.
    struct Ending {
        let status: KeeperExitStatus
        /// For the log.
        let reason: String
    }

    /// What a running session consists of.
    struct Session {
        let claim: SessionClaim
        var socket: SessionSocket
        let child: ChildProcess
        let childPIDFile: ChildPIDFile?
        let forwarder: LineForwarder
        /// On the monotonic clock.
        let startedAt: Duration
    }

    /// How often and how long apart a contended lock is tried: a second in all, then the session counts as taken.
    private static let claimAttempts = 100
    private static let claimInterval = Duration.milliseconds(10)
    /// A keeper needs one descriptor for each client; more than this many clients at once are not served anyway.
    private static let descriptorCeiling: UInt64 = 8192

    /// The session from the publishing of its socket until its end begins.
    var current: Session? {
        switch state {
        case .settling(let session, _), .ready(let session): session
        case .claiming, .starting, .stopping, .ended: nil
        }
    }

    func replaceCurrent(with session: Session) {
        switch state {
        case .settling(_, let window): state = .settling(session, window: window)
        case .ready: state = .ready(session)
        case .claiming, .starting, .stopping, .ended: break
        }
    }

    let launch: KeeperLaunch
    let loop: Loop
    var rotation: TimerHandle?
    var signals: [Handle] = []
    /// Kept back from clients, and closed when the session ends: its processes are found and held by descriptors.
    var spareDescriptors: [SpareDescriptor] = []
    var state = State.claiming(attemptsLeft: Keeper.claimAttempts, retry: nil)

    /// Keeps the session until it ends.
    ///
    /// - Throws: what keeps it from starting.
    static func run(_ launch: KeeperLaunch) throws(KeeperFailure) -> KeeperExitStatus {
        let keeper: Keeper
        do throws(UVError) {
            let loop = try Loop()
            do throws(UVError) {
                keeper = try Keeper(launch, on: loop)
            } catch {
                loop.closeHandles()
                loop.run()
                do throws(LoopStillOpen) { try loop.close() } catch {
                    preconditionFailure("nothing was started: \(error)")
                }
                throw error
            }
        } catch {
            throw .badConfiguration("cannot start an event loop: \(error)")
        }
        keeper.claim()
        keeper.loop.run()
        guard case .ended(let status) = keeper.state else {
            preconditionFailure("the keeper's loop ended in state \(keeper.state)")
        }
        do throws(LoopStillOpen) {
            try keeper.loop.close()
        } catch {
            preconditionFailure("the keeper left something open: \(error)")
        }
        return status
    }

    private init(_ launch: KeeperLaunch, on loop: Loop) throws(UVError) {
        self.launch = launch
        self.loop = loop
        try watchSignals()
        adoptOrphans()
    }

    // MARK: Starting

    private func claim() {
        guard case .claiming(let attemptsLeft, _) = state else { return }
        do throws(KeeperFailure) {
            try SessionSocket.checkLength(launch.session, launch.shownPaths)
            try SessionSocket.checkFree(launch.session, launch.paths, shown: launch.shownPaths)
            switch try SessionClaim.attempt(launch.session, paths: launch.paths, shown: launch.shownPaths) {
            case .claimed(let claim): try start(claim)
            case .taken(let reason): throw .sessionTaken("another keeper holds session \(launch.session): \(reason)")
            case .contended:
                guard attemptsLeft > 1 else {
                    throw .sessionTaken("the lock of session \(launch.session) is held, and not by a keeper")
                }
                let retry = loop.after(Keeper.claimInterval) { [unowned self] in claim() }
                state = .claiming(attemptsLeft: attemptsLeft - 1, retry: retry)
            }
        } catch {
            fail(error)
        }
    }

    private func start(_ claim: SessionClaim) throws(KeeperFailure) {
        state = .starting
        do throws(KeeperFailure) {
            // Again, now that no other keeper of ours can come in between: an original one has no lock.
            try SessionSocket.checkFree(launch.session, launch.paths, shown: launch.shownPaths)
            try ChildPIDFile.removeFormer(of: launch.session, paths: launch.paths)
            let socket = try SessionSocket(launch.session, paths: launch.paths, shown: launch.shownPaths, on: loop)
            launch.log.write("socket bound: \(launch.shownPaths.socket(for: launch.session))")
            do throws(KeeperFailure) {
                try start(claim, socket)
            } catch {
                socket.remove(log: launch.log)
                throw error
            }
        } catch {
            release(claim)
            throw error
        }
    }

    private func start(_ claim: SessionClaim, _ socket: SessionSocket) throws(KeeperFailure) {
        let child = try startChild()
        guard let stdin = child.streams[0] else { preconditionFailure("the child was given a pipe") }
        let forwarder = LineForwarder(
            child: stdin, listener: socket.listener,
            limits: LineLimits(lineLength: launch.settings.maximumLineLength), log: launch.log)
        forwarder.onStdinClosed = { [unowned self] error in stdinClosed(error) }
        // Before the socket: whoever can connect can also see who reads.
        let childPIDFile = writeChildPID(child.pid)
        let session = Session(
            claim: claim, socket: socket, child: child, childPIDFile: childPIDFile, forwarder: forwarder,
            startedAt: SystemClock.monotonicTime)
        do throws(KeeperFailure) {
            try listen(socket, forwarder)
            try socket.publish()
        } catch {
            // There is a child by now: the session is this keeper's until that has ended.
            launch.log.writeLast(error)
            return end(session, Ending(status: error.status, reason: "its socket cannot be published"), .now)
        }
        launch.log.takeOver()
        settle(session)
        raiseDescriptorLimit()
        spareDescriptors = SpareDescriptor.some()
        startRotation()
    }

    private func settle(_ session: Session) {
        let window = loop.after(KeeperConstants.crashWindow) { [unowned self] in
            // As it is by then: its socket may have been made anew.
            guard case .settling(let session, _) = state else { return }
            launch.log.write("keeper ready: \(launch.session)")
            state = .ready(session)
        }
        state = .settling(session, window: window)
    }

    private func startChild() throws(KeeperFailure) -> ChildProcess {
        let settings = launch.settings
        let command = launch.command
        launch.log.write("spawning pi \(command.joined(separator: " "))")
        launch.log.write("pi output capture: \(settings.capturesOutput ? "enabled" : "disabled")")
        // Whole numbers: the longest interval is beyond what a Double can give back.
        let (seconds, attoseconds) = settings.logCheckInterval.components
        let interval = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        launch.log.write("log rotation: maxBytes=\(settings.logMaximumBytes) checkIntervalMs=\(interval)")
        let output: ChildProcess.Stdio = settings.capturesOutput ? .descriptor(launch.log.descriptor) : .ignore
        let configuration = ChildProcess.Configuration(
            executable: command[0],
            arguments: Array(command.dropFirst()),
            environment: launch.childEnvironment,
            stdio: [.pipe, output, output],
            flags: [.hideWindow],
        )
        do throws(SpawnError) {
            return try launch.inStartDirectory { () throws(SpawnError) in
                try ChildProcess(configuration, on: loop) { [unowned self] _, status in childEnded(status) }
            }
        } catch {
            // The original's words, which its users' tools look for, then ours.
            throw .childFailed("pi spawn error: spawn \(command[0]) \(error.systemError.name): \(error)")
        }
    }

    func listen(_ socket: SessionSocket, _ forwarder: LineForwarder) throws(KeeperFailure) {
        do throws(UVError) {
            try socket.listener.listenForDescriptors(backlog: KeeperConstants.backlog) { _, result in
                switch result {
                case .success(let client): forwarder.add(client)
                case .failure(let error): forwarder.refused(error)
                }
            }
        } catch {
            throw .badConfiguration("cannot listen on the socket: \(error)")
        }
    }

    private func writeChildPID(_ pid: Int32) -> ChildPIDFile? {
        do throws(UVError) {
            return try ChildPIDFile(pid, session: launch.session, paths: launch.paths)
        } catch {
            launch.log.write("cannot write pi-PID sidecar: \(error)")
            return nil
        }
    }

    /// Only now that the child has started: it keeps the limit it would have had without a keeper.
    private func raiseDescriptorLimit() {
        do throws(UVError) {
            try DescriptorLimit.raise(upTo: Keeper.descriptorCeiling)
        } catch {
            launch.log.write("cannot raise the descriptor limit, fewer clients fit: \(error)")
        }
    }

    private func startRotation() {
        // Without capture only this process writes to the log, and checks as it writes; idle, it does nothing at all.
        guard launch.settings.capturesOutput else { return }
        let rotation = TimerHandle(on: loop)
        let interval = launch.settings.logCheckInterval
        rotation.start(after: interval, repeating: interval) { [log = launch.log] _ in log.rotate() }
        self.rotation = rotation
    }
}
