import UVKeeper

/// One wave of keepers: all started at once, a line to each, all killed, half of them by SIGKILL; then nothing may be left.
final class Wave {
    let sessions: [Session]
    private(set) var memory: [UInt64] = []
    var onFault: (FaultRecord) -> Void = { _ in }
    var onViolation: (Violations.Kind, String) -> Void = { _, _ in }
    private let run: RunDirectory
    private let manager: KeeperManager
    private let clock: RunClock
    private let timer: TimerHandle
    private let limit: Duration
    private var generator: SeededGenerator
    private var completion: (() -> Void)?

    /// - Parameter limit: how long each of its steps may take.
    init(
        _ sessions: [Session], in run: RunDirectory, manager: KeeperManager, clock: RunClock, seed: UInt64,
        limit: Duration, on loop: Loop,
    ) throws {
        self.limit = limit
        self.sessions = sessions
        self.run = run
        self.manager = manager
        self.clock = clock
        generator = SeededGenerator(seed: seed)
        timer = try TimerHandle(on: loop)
    }

    /// `completion` runs when all is over, also after a violation.
    func start(_ completion: @escaping () -> Void) {
        self.completion = completion
        wait("keepers accept") { [self] in
            for session in sessions { session.startIfNeeded() }
            return sessions.allSatisfy { $0.current != nil }
        } then: { [self] in
            writeLines()
        }
    }

    private func writeLines() {
        var left = sessions.count
        for session in sessions {
            let sequence = session.burst.begin(byteCount: LineFormat.minimumByteCount, time: clock.microseconds)
            let line = LineFormat(
                kind: LineFormat.Kind.unordered, writer: 0, sequence: sequence, byteCount: LineFormat.minimumByteCount)
            let begun = clock.microseconds
            manager.writeRPC(line.bytes(), to: session.id) { [self] outcome in
                let now = clock.microseconds
                session.burst.complete(sequence, Ledger.Outcome(outcome), latency: now - begun, time: now)
                left -= 1
            }
        }
        wait("lines arrive") { [self] in
            left == 0 && Judge.missing(sessions.map(\.judged)) == 0
        } then: { [self] in
            kill()
        }
    }

    private func kill() {
        let lives = sessions.compactMap { $0.lives.last }
        memory = lives.compactMap { Memory.of($0.keeperPID) }
        for (session, life) in zip(sessions, lives) {
            if generator.next() & 1 == 0 {
                let now = clock.microseconds
                onFault(
                    FaultRecord(
                        .keeperKilled, session: session.index, life: session.lives.count - 1, start: now, end: now,
                        note: "SIGKILL to \(life.keeperPID), of a wave"))
                do throws(UVError) { try Processes.send(.kill, to: life.keeperPID) } catch {
                    onViolation(.recovery, "keeper \(life.keeperPID) of a wave has ended by itself: \(error)")
                }
            } else {
                life.wasToldToEnd = true
                if !manager.killKeeper(for: session.id) {
                    onViolation(.recovery, "keeper \(life.keeperPID) of a wave could not be told to end")
                }
            }
        }
        wait("processes end") {
            lives.allSatisfy {
                Processes.liveness(of: $0.keeperPID) == .gone && Processes.liveness(of: $0.childPID) == .gone
            }
        } then: { [self] in
            manager.discoverExistingKeepers { [self] result in
                if case .failure(let error) = result { onViolation(.discovery, "after a wave: \(error)") }
                do {
                    let left = try run.leftovers().filter { name in sessions.contains { name.hasPrefix("\($0.id).") } }
                    if !left.isEmpty { onViolation(.fileLeft, "after a wave: \(left.prefix(4))") }
                } catch {
                    onViolation(.fileLeft, "after a wave: \(error)")
                }
                end()
            }
        }
    }

    /// Looks every five milliseconds; after the limit the wave is given up.
    private func wait(_ what: String, _ condition: @escaping () -> Bool, then next: @escaping () -> Void) {
        let deadline = LibUV.monotonicTime + limit
        timer.start(after: .zero, repeating: .milliseconds(5)) { [self] timer in
            if condition() {
                timer.stop()
                next()
            } else if LibUV.monotonicTime > deadline {
                timer.stop()
                onViolation(.recovery, "a wave, not within \(limit): \(what)")
                end()
            }
        }
    }

    private func end() {
        timer.close()
        let completion = completion
        self.completion = nil
        completion?()
    }
}
