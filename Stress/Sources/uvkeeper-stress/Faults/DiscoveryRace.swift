import UVKeeper

/// Keepers that start while another process discovers, and cleans up after those that SIGKILL has just ended. There are
/// rounds; in most of them that process is stopped in the middle of its work, and continued in small steps.
///
/// After each round every keeper must have started, have its files, and take a line: a clean-up is done under the lock
/// of the dead keeper's pid file, and tells the next keeper's files from the dead one's.
final class DiscoveryRace {
    let sessions: [Session]
    var onFault: (FaultRecord) -> Void = { _ in }
    var onViolation: (Violations.Kind, String) -> Void = { _, _ in }
    /// Returns true if another round may begin, after the first.
    var isGoingOn: () -> Bool = { true }
    private let run: RunDirectory
    private let manager: KeeperManager
    private let clock: RunClock
    private let steps: Steps
    private let orders: Discoverer.Orders
    private let loop: Loop
    private var generator: SeededGenerator
    private var roundsLeft: Int
    private var isFirst = true
    private var process: ChildProcess?
    /// The time at which the process was stopped, in microseconds; nil while it runs.
    private var stoppedAt: UInt64?
    private var completion: (() -> Void)?

    /// The longest stop of the process, in microseconds. A keeper waits a second for the lock that the process may
    /// hold.
    private static let longestStop: UInt64 = 200_000

    /// - Parameter limit: the longest time of each step.
    init(
        _ sessions: [Session], in run: RunDirectory, manager: KeeperManager, clock: RunClock, seed: UInt64,
        rounds: Int, limit: Duration, on loop: Loop,
    ) throws {
        self.sessions = sessions
        self.run = run
        self.manager = manager
        self.clock = clock
        self.loop = loop
        roundsLeft = rounds
        generator = SeededGenerator(seed: seed)
        orders = try Discoverer.Orders(run)
        steps = Steps("a discovery race", limit: limit, on: loop)
    }

    /// Starts the race; `completion` runs when it is over, even after a violation.
    func start(_ kind: Discoverer.Kind, _ completion: @escaping () -> Void) throws {
        orders.order = .rest
        orders[.begun] = 0
        orders[.ended] = 0
        orders[.failed] = 0
        process = try ChildProcess(
            .init(
                executable: try CurrentProcess.executablePath(),
                arguments: ["discover", "--directory", run.directory, "--kind", kind.rawValue],
                environment: run.environment, stdio: [.pipe, .ignore, .descriptor(2)]),
            on: loop
        ) { [unowned self] _, status in
            if status != .exited(code: 0) { onViolation(.recovery, "a discovering process \(status)") }
        }
        self.completion = completion
        steps.onTimeout = { [unowned self] in
            onViolation(.recovery, $0)
            finish()
        }
        startKeepers { [self] in awaitPass { self.round() } }
    }

    // MARK: A round

    private func round() {
        var left = sessions.count
        for session in sessions { session.sendLine(completion: { left -= 1 }) }
        steps.wait("lines arrive") { [self] in
            left == 0 && Judge.missing(sessions.map(\.judged)) == 0
                && current.allSatisfy { $0.life.childPID > 0 }
        } then: { [self] in
            let lost = current.flatMap { session, life in
                KeeperFiles.lost(of: session.name, keeper: life.keeperPID, child: life.childPID, in: manager.paths)
            }
            for text in lost { onViolation(.fileLost, "of a live keeper, under a discovery: \(text)") }
            guard lost.isEmpty, roundsLeft > 0, isFirst || isGoingOn() else { return endKeepers() }
            roundsLeft -= 1
            isFirst = false
            if generator.next() & 3 == 0 { startBesideBusy() } else { startBesideStopped() }
        }
    }

    /// Starts keepers while the process works all the time: it may find a keeper dead, starting, or alive.
    private func startBesideBusy() {
        orders.order = .go
        kill { [self] in startKeepers { self.awaitPass { self.round() } } }
    }

    /// Starts keepers beside a stopped process: it rests until all are dead, is stopped at a random moment of the pass
    /// that finds them dead, and continues in small steps.
    private func startBesideStopped() {
        orders.order = .rest
        steps.wait("a pass ends") { [self] in
            orders[.begun] == orders[.ended]
        } then: { [self] in
            kill { [self] in
                stop()
                startKeepers { [self] in
                    goOn()
                    awaitPass { self.round() }
                }
            }
        }
    }

    /// Kills every keeper, and waits until they and their children are gone.
    private func kill(then next: @escaping () -> Void) {
        let lives = current
        for (session, life) in lives {
            let now = clock.microseconds
            onFault(
                FaultRecord(
                    .keeperKilled, session: session.index, life: session.lives.count - 1, start: now, end: now,
                    aftermath: 0, note: "SIGKILL to \(life.keeperPID), of a discovery race"))
            do throws(UVError) { try Processes.send(.kill, to: life.keeperPID) } catch {
                onViolation(.recovery, "keeper \(life.keeperPID) of a discovery race has ended by itself: \(error)")
            }
        }
        steps.wait("processes end", every: .milliseconds(1), { lives.allSatisfy(\.life.isGone) }, then: next)
    }

    private var current: [(session: Session, life: Life)] {
        sessions.compactMap { session in session.current.map { (session, $0) } }
    }

    private func stop() {
        let begun = orders[.begun]
        orders.order = .go
        // The process looks every millisecond. The wait is busy, not by a timer, since a pass takes hardly more.
        let limit = clock.microseconds + 10_000
        while orders[.begun] == begun, clock.microseconds < limit {}
        let moment = clock.microseconds + generator.next() % 1500
        while clock.microseconds < moment {}
        signal(.stop)
        stoppedAt = clock.microseconds
    }

    private func startKeepers(then next: @escaping () -> Void) {
        steps.wait("keepers accept") { [self] in
            for session in sessions { session.startIfNeeded() }
            creep()
            return sessions.allSatisfy { $0.current != nil }
        } then: {
            next()
        }
    }

    /// Lets the process do a few steps, until its time is over.
    private func creep() {
        guard let stoppedAt else { return }
        guard clock.microseconds < stoppedAt + DiscoveryRace.longestStop else { return goOn() }
        signal(.continue)
        let moment = clock.microseconds + 30 + generator.next() % 150
        while clock.microseconds < moment {}
        signal(.stop)
    }

    private func goOn() {
        guard let stoppedAt else { return }
        self.stoppedAt = nil
        signal(.continue)
        let now = clock.microseconds
        guard now > stoppedAt + 2 * DiscoveryRace.longestStop else { return }
        // The machine has kept the process stopped, perhaps with a lock that a keeper waits for.
        for session in sessions {
            onFault(
                FaultRecord(
                    .machineStalled, session: session.index, start: stoppedAt, end: now,
                    note: "a discovery was stopped for \((now - stoppedAt) / 1000) ms"))
        }
    }

    private func signal(_ signal: Signal) {
        do throws(UVError) { try process?.kill(signal) } catch {
            onViolation(.recovery, "a discovering process, \(signal): \(error)")
        }
    }

    /// Waits until a whole pass that begins from now on is over.
    private func awaitPass(then next: @escaping () -> Void) {
        let count = orders[.begun] + 1
        orders.order = .goOn
        steps.wait("a discovery ends") { [self] in
            orders[.ended] >= count
        } then: {
            next()
        }
    }

    // MARK: The end

    private func endKeepers() {
        orders.order = .rest
        let lives = current
        for (session, life) in lives {
            life.wasToldToEnd = true
            if !manager.killKeeper(for: session.name) {
                onViolation(.recovery, "keeper \(life.keeperPID) of a discovery race could not be told to end")
            }
        }
        steps.wait("keepers end") {
            lives.allSatisfy(\.life.isGone)
        } then: { [self] in
            for session in sessions { session.noteRemains() }
            if orders[.failed] > 0 { onViolation(.discovery, "\(orders[.failed]) failed beside starts of keepers") }
            finish()
        }
    }

    private func finish() {
        goOn()
        process?.streams[0]?.close()
        steps.onTimeout = { [unowned self] in
            onViolation(.processLeft, $0)
            signal(.kill)
            complete()
        }
        steps.wait("its process ends") { [self] in
            process?.isRunning != true
        } then: { [self] in
            complete()
        }
    }

    private func complete() {
        steps.close()
        let completion = completion
        self.completion = nil
        completion?()
    }
}
