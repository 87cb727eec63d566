import UVKeeper

/// The end of one session whose child ignores its orders, step by step, while its keeper is stopped for a while in one
/// of the steps. Afterwards no process of the session may be left, and its record must tell its end as its clients were
/// told.
final class StoppedEnding {
    var onViolation: (Violations.Kind, String) -> Void = { _, _ in }
    private let planned: FaultInjector.Planned
    private let session: Session
    private let clock: RunClock
    private let steps: Steps
    private let timer: TimerHandle
    private var socket: ChannelSocket?
    private var isDone = false
    private var acknowledged = 0
    /// The number of lines that have their outcome.
    private var completed = 0
    private var sequences: [Int] = []
    private var begun: UInt64 = 0

    /// - Parameter limit: the longest time of each step.
    init(_ planned: FaultInjector.Planned, _ session: Session, limit: Duration, clock: RunClock) {
        self.planned = planned
        self.session = session
        self.clock = clock
        steps = Steps("an end with a stopped keeper", limit: limit, on: session.manager.loop)
        timer = TimerHandle(on: session.manager.loop)
        session.stubbornness =
            planned.kind == .keeperStoppedInEOF
            ? [.endOfInput, .grandchild] : [.endOfInput, .terminate, .grandchild]
    }

    /// The time that the child has for two of the steps, and the delay from their start until the keeper is stopped, in
    /// milliseconds.
    private var times: (endOfInput: Int, terminate: Int, delay: Int) {
        switch planned.kind {
        case .keeperStoppedInEOF: (300, 60_000, Int(planned.number % 300))
        case .keeperStoppedInTerm: (50, 300, 50 + Int(planned.number % 300))
        default: (20, 80, 98 + Int(planned.number % 6))
        }
    }

    /// - Parameters:
    ///   - begin: notes the fault.
    ///   - completion: runs when all is over, even after a violation.
    func start(_ begin: @escaping (_ note: String) -> FaultRecord, then completion: @escaping () -> Void) {
        let finish = { [self] in
            socket?.close()
            steps.close()
            timer.close()
            complete(sequences.count, .unknown)
            completion()
        }
        steps.onTimeout = { [self] in
            onViolation(.recovery, "\($0); \(session.obstacle)")
            finish()
        }
        steps.wait("its keeper accepts") { [self] in
            session.startIfNeeded()
            return session.current.map { $0.childPID > 0 && $0.receipts[.grandchild] > 0 } ?? false
        } then: { [self] in
            guard let life = session.current else { return finish() }
            let (endOfInput, terminate, delay) = times
            let record = begin(
                "SIGSTOP to \(life.keeperPID) \(delay) ms after a stop of \(endOfInput) and \(terminate) ms")
            writeLines(life)
            steps.wait("lines are acknowledged") { [self] in
                acknowledged == sequences.count
            } then: { [self] in
                life.wasToldToEnd = true
                socket?.say("stop {\"eofMs\":\(endOfInput),\"termMs\":\(terminate)}")
                timer.start(after: .milliseconds(delay)) { [self] _ in stop(life, record) }
                steps.wait("its processes end") { [self] in
                    life.isGone && session.isOver && isDone && life.survivors.isEmpty && record.end != nil
                } then: { [self] in
                    session.noteRemains()
                    if life.exitMessages.count != 1 {
                        onViolation(.channel, "a client was told of the end \(life.exitMessages.count) times")
                    }
                    life.clients["stopper"] = acknowledged
                    finish()
                }
            }
        }
    }

    /// Notes the outcome of the lines up to `count`.
    private func complete(_ count: Int, _ outcome: Ledger.Outcome) {
        let now = clock.microseconds
        for sequence in sequences.prefix(count).dropFirst(completed) {
            session.clients.complete(sequence, outcome, latency: now - begun, time: now)
        }
        if outcome == .written { acknowledged = max(acknowledged, min(count, sequences.count)) }
        completed = max(completed, count)
    }

    private func writeLines(_ life: Life) {
        begun = clock.microseconds
        let lines = (0..<3).map { _ in
            let sequence = session.clients.begin(byteCount: 4096, time: begun)
            sequences.append(sequence)
            return LineFormat(
                kind: LineFormat.Kind.ordered, writer: session.settings.clientWriter, sequence: sequence,
                byteCount: 4096)
        }
        let socket = ChannelSocket(to: session.manager.paths.channel(for: session.name), on: timer.loop)
        self.socket = socket
        socket.onEnd = { [unowned self] _ in isDone = true }
        socket.onMessage = { [unowned self] message in
            let words = message.split(separator: " ", maxSplits: 1)
            switch words.first {
            case "hello":
                socket.say("writer stopper")
                for (index, line) in lines.enumerated() {
                    socket.say(Array("write \(index + 1) \(line.byteCount)\n".utf8) + line.bytes())
                }
            case "ack": complete(words.last.flatMap { Int($0) } ?? 0, .written)
            case "exit": life.exitMessages.append(String(words.last ?? ""))
            case "writer", "ok": break
            default: onViolation(.channel, "a client that stops its session was told: \(message)")
            }
        }
    }

    private func stop(_ life: Life, _ record: FaultRecord) {
        do throws(UVError) { try Processes.send(.stop, to: life.keeperPID) } catch {
            // The keeper has ended before the signal.
            record.note += "; \(error)"
        }
        timer.start(after: planned.duration) { [self] _ in
            do throws(UVError) { try Processes.send(.continue, to: life.keeperPID) } catch {
                record.note += "; \(error)"
            }
            record.end = clock.microseconds
        }
    }
}
