internal import KeeperProtocol
internal import UVLoop

/// The start of a session: its lock, its sockets, its record, its child, in this order.
extension Keeper {
    /// The number of attempts at a contended lock, and their interval: a second in all, then the session counts as
    /// taken.
    static let claimAttempts = 100
    private static let claimInterval = Duration.milliseconds(10)
    /// The limit on descriptors that the keeper raises its own to: each client takes one, and more clients at once are
    /// not served anyway.
    private static let descriptorCeiling: UInt64 = 8192

    func claim() {
        guard case .claiming(let attemptsLeft, _) = state else { return }
        do throws(KeeperFailure) {
            try Door.checkLength(launch.session, launch.shownPaths)
            try checkDoorsFree()
            switch try SessionClaim.attempt(launch.session, paths: launch.paths, shown: launch.shownPaths) {
            case .claimed(let claim): try move(claim)
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

    private func checkDoorsFree() throws(KeeperFailure) {
        for kind in [Door.Kind.raw, .channel] {
            try Door.checkFree(kind, of: launch.session, launch.paths, shown: launch.shownPaths)
        }
    }

    func start(_ claim: SessionClaim) throws(KeeperFailure) {
        state = .starting
        do throws(KeeperFailure) {
            // The check is repeated under the lock, which excludes other keepers of this kind; an original one has no
            // lock.
            try checkDoorsFree()
            try ChildPIDFile.removeFormer(of: launch.session, paths: launch.paths)
            let channelDoor = try makeDoor(.channel)
            do throws(KeeperFailure) {
                let rawDoor = try makeDoor(.raw)
                do throws(KeeperFailure) {
                    launch.log.write("socket bound: \(rawDoor.shownPath)")
                    try start(claim, rawDoor, channelDoor)
                } catch {
                    rawDoor.remove(log: launch.log)
                    throw error
                }
            } catch {
                channelDoor.remove(log: launch.log)
                throw error
            }
        } catch {
            release(claim)
            throw error
        }
    }

    func makeDoor(_ kind: Door.Kind) throws(KeeperFailure) -> Door {
        try Door(kind, of: launch.session, paths: launch.paths, shown: launch.shownPaths, on: loop)
    }

    private func start(_ claim: SessionClaim, _ rawDoor: Door, _ channelDoor: Door) throws(KeeperFailure) {
        tellSettings()
        let record = beginRecord()
        let child: KeeperChild
        do throws(KeeperFailure) {
            child = try KeeperChild(launch, epoch: epoch, in: group, on: loop) { [unowned self] in childEnded($0) }
        } catch {
            end(record, SessionExit(reason: .cannotStart, at: SessionRecord.now))
            throw error
        }
        let limits = LineLimits(lineLength: launch.settings.maximumLineLength)
        let budget = ClientBudget(pendingLimit: limits.pendingByteCount)
        let lines = LineForwarder(
            input: child.input, listener: rawDoor.listener, limits: limits, budget: budget, log: launch.log)
        let channel = ChannelDoor(
            self, input: child.input, output: child.kept, listener: channelDoor.listener, budget: budget,
            maximumLineLength: limits.lineLength)
        let session = Session(
            claim: claim, child: child, record: record, budget: budget, lines: lines, channel: channel,
            rawDoor: rawDoor,
            channelDoor: channelDoor)
        connect(session)
        // The pid file comes before the sockets: a client that can connect can then also see which child reads.
        child.writePIDFile(launch)
        note(child, in: record)
        do throws(KeeperFailure) {
            try listen(channelDoor, session)
            try listen(rawDoor, session)
            try channelDoor.publish()
            try rawDoor.publish()
        } catch {
            // The child runs by now: the session is this keeper's until the child has ended.
            launch.log.writeLast(error)
            return end(
                session,
                Ending(status: error.status, reason: "its socket cannot be published", exit: .cannotStart), .now)
        }
        launch.log.takeOver()
        lowerMemoryScore()
        settle(session)
        raiseDescriptorLimit()
        budget.measure()
    }

    private func tellSettings() {
        let settings = launch.settings
        // A loop, and not the generic `joined`, whose memory this process would keep.
        var command = launch.command[0]
        for argument in launch.command.dropFirst() { command += " " + argument }
        launch.log.write("spawning pi \(command)")
        launch.log.write("pi output capture: \(settings.capturesOutput ? "enabled" : "disabled")")
        if settings.outputMaximumBytes > 0 {
            launch.log.write("pi output is kept: \(settings.outputMaximumBytes) bytes of each stream, not in this log")
        }
        // Whole numbers, since a Double cannot represent the longest interval.
        let (seconds, attoseconds) = settings.logCheckInterval.components
        let interval = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        launch.log.write("log rotation: maxBytes=\(settings.logMaximumBytes) checkIntervalMs=\(interval)")
    }

    /// Connects the child's pipes and the budget to both doors.
    private func connect(_ session: Session) {
        let (lines, channel) = (session.lines, session.channel)
        // Both closures are dropped when the input closes, as it always does in the end.
        session.child.input.onProgress = {
            channel.progressed()
            lines.progressed()
        }
        session.child.input.onClosed = { [unowned self] error in
            channel.inputClosed()
            lines.breakDown()
            if let error { stdinClosed(error) }
        }
        session.budget.onChange = { [unowned lines, unowned channel] in
            lines.limitClients()
            channel.limitClients()
        }
        lines.isOtherDoorCrowded = { [unowned channel] in channel.isCrowded }
    }

    private func settle(_ session: Session) {
        let window = loop.after(KeeperConstants.crashWindow) { [unowned self] in
            // The session is taken from the state, as its sockets may have been made anew meanwhile.
            guard case .settling(let session, _) = state else { return }
            launch.log.write("keeper ready: \(launch.session)")
            state = .ready(session)
        }
        state = .settling(session, window: window)
    }

    /// Accepts clients at a door.
    func listen(_ door: Door, _ session: Session) throws(KeeperFailure) {
        let (lines, channel) = (session.lines, session.channel)
        do throws(UVError) {
            switch door.kind {
            case .raw:
                try door.listener.listenForDescriptors(backlog: KeeperConstants.backlog) { _, result in
                    switch result {
                    case .success(let client): lines.add(client)
                    case .failure(let error): lines.refused(error)
                    }
                }
            case .channel:
                try door.listener.listen(backlog: KeeperConstants.backlog) { _, result in
                    switch result {
                    case .success(let client): channel.add(client)
                    case .failure(let error): lines.refused(error)
                    }
                }
            }
        } catch {
            throw .badConfiguration("cannot listen on the socket: \(error)")
        }
    }

    /// Raises the limit on descriptors. Called after the child's start: the child keeps the limit it would have had
    /// without a keeper.
    private func raiseDescriptorLimit() {
        do throws(UVError) {
            try DescriptorLimit.raise(upTo: Keeper.descriptorCeiling)
        } catch {
            launch.log.write("cannot raise the descriptor limit, fewer clients fit: \(error)")
        }
    }
}
