import UVKeeper

/// A wave of keepers: all started at once, a line to each, all killed, half of them by SIGKILL; then nothing may be
/// left.
final class Wave {
    let sessions: [Session]
    private(set) var memory: [UInt64] = []
    var onFault: (FaultRecord) -> Void = { _ in }
    var onViolation: (Violations.Kind, String) -> Void = { _, _ in }
    /// Returns true if another process may have been discovering since a time, and have left files.
    var othersDiscovered: (UInt64) -> Bool = { _ in false }
    private let run: RunDirectory
    private let discoveries: Discoveries
    private let clock: RunClock
    private let steps: Steps
    private var generator: SeededGenerator
    private var completion: (() -> Void)?

    /// - Parameter limit: the longest time of each step.
    init(
        _ sessions: [Session], in run: RunDirectory, discoveries: Discoveries, clock: RunClock, seed: UInt64,
        limit: Duration, on loop: Loop,
    ) {
        self.sessions = sessions
        self.run = run
        self.discoveries = discoveries
        self.clock = clock
        generator = SeededGenerator(seed: seed)
        steps = Steps("a wave", limit: limit, on: loop)
    }

    /// Starts the wave; `completion` runs when it is over, even after a violation.
    func start(_ completion: @escaping () -> Void) {
        self.completion = completion
        steps.onTimeout = { [unowned self] in
            onViolation(.recovery, $0)
            end()
        }
        steps.wait("keepers accept") { [self] in
            for session in sessions { session.startIfNeeded() }
            return sessions.allSatisfy { $0.current != nil }
        } then: { [self] in
            writeLines()
        }
    }

    private func writeLines() {
        var left = sessions.count
        for session in sessions { session.sendLine(completion: { left -= 1 }) }
        steps.wait("lines arrive") { [self] in
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
                        aftermath: 0, note: "SIGKILL to \(life.keeperPID), of a wave"))
                do throws(UVError) { try Processes.send(.kill, to: life.keeperPID) } catch {
                    onViolation(.recovery, "keeper \(life.keeperPID) of a wave has ended by itself: \(error)")
                }
            } else {
                life.wasToldToEnd = true
                if !discoveries.manager.killKeeper(for: session.name) {
                    onViolation(.recovery, "keeper \(life.keeperPID) of a wave could not be told to end")
                }
            }
        }
        steps.wait("processes end") {
            lives.allSatisfy(\.isGone)
        } then: { [self] in
            // The remains are noted before a discovery removes them.
            for session in sessions { session.noteRemains() }
            let begun = clock.microseconds
            discoveries.start { [self] result in
                if case .failure(let error) = result { onViolation(.discovery, "after a wave: \(error)") }
            } settled: { [self] in
                if !othersDiscovered(begun) { checkRemoved() }
                end()
            }
        }
    }

    private func checkRemoved() {
        do {
            let left = try sessions.flatMap { session throws(UVError) in try run.abandoned("\(session.id).") }
            if !left.isEmpty { onViolation(.fileLeft, "after a wave: \(left.prefix(4))") }
        } catch {
            onViolation(.fileLeft, "after a wave: \(error)")
        }
    }

    private func end() {
        steps.close()
        let completion = completion
        self.completion = nil
        completion?()
    }
}
