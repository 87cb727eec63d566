import UVKeeper

/// The sender of all lines of a server with a stable name to one session, with a journal.
///
/// The sender asks where to continue before the first line, and again when the session has ended, or lines were refused
/// or are unknown. Lines that a previous, killed server has left without an outcome get one: written, if the keeper has
/// acknowledged them; sent again, if it has not taken them; unknown, if there is another keeper.
final class JournaledSender {
    struct Line {
        let place: Journal.Line
        let bytes: [UInt8]
        let completion: (Ledger.Outcome) -> Void
    }

    private enum State {
        /// Lines wait until the session has answered where to continue.
        case asking
        case open
        /// A line was refused or is unknown: the sender asks again when every line has its outcome.
        case unsure
        case closed
    }

    /// The limits of waiting lines, the same as the manager's.
    private static let limit = (lines: 10_000, bytes: 67_108_864)

    /// Returns true if the session has a keeper, as far as is known.
    var isAlive: () -> Bool = { true }
    /// Called for each answer that the contract rules out.
    var onViolation: (String) -> Void = { _ in }
    private let session: UVKeeper.Session
    private let journal: Journal
    private let timer: TimerHandle
    private var state = State.asking
    private var waiting: [Line] = []
    private var waitingByteCount = 0
    /// Lines that the library has.
    private var given = 0
    /// The lines of a previous server, by their number, that the keeper has taken, without a report yet that its
    /// child's pipe has them.
    private var taken: [(number: UInt64, line: Line)] = []
    /// The lines of a previous server that have no outcome.
    private var left: [Line] = []
    /// True if the session was asked, and has not answered.
    private var isWaitingForAnswer = false

    /// - Parameter left: the lines that a killed server has left without an outcome, each writer's in their order.
    init(_ session: UVKeeper.Session, _ journal: Journal, left: [Line], on loop: Loop) {
        self.session = session
        self.journal = journal
        self.left = left
        timer = TimerHandle(on: loop)
        ask()
    }

    func send(_ line: Line) {
        switch state {
        case .open: give(line)
        case .asking, .unsure, .closed: hold(line)
        }
    }

    func close() {
        state = .closed
        timer.close()
    }

    // MARK: Lines

    private func hold(_ line: Line) {
        let limit = JournaledSender.limit
        guard waiting.count < limit.lines, waitingByteCount + line.bytes.count <= limit.bytes else {
            return overflow(line)
        }
        waiting.append(line)
        waitingByteCount += line.bytes.count
    }

    /// Refuses the held lines, which wait only as long as the session lives.
    private func refuseHeld() {
        let held = waiting
        waiting = []
        waitingByteCount = 0
        for line in held { line.completion(.refused) }
    }

    private func overflow(_ line: Line) { timer.loop.onNextTick { line.completion(.overflowed) } }

    private func give(_ line: Line) {
        let (lines, bytes) = session.waiting
        let limit = JournaledSender.limit
        // A full queue is checked here, since a line that the library refuses would not get its number in the journal.
        guard lines < limit.lines, bytes + line.bytes.count <= limit.bytes, !journal.isFull else {
            return overflow(line)
        }
        journal.note(line.place)
        given += 1
        session.write(line.bytes, deadline: .untilSessionEnds) { [self] outcome in
            given -= 1
            if outcome == .written {
                // Lines that were taken before this one are in the pipe before it.
                resolveTaken(upTo: .max)
            } else if case .open = state {
                state = .unsure
            }
            line.completion(Ledger.Outcome(outcome))
            askIfUnsure()
        }
    }

    private func resolveTaken(upTo number: UInt64) {
        let count = taken.prefix { $0.number <= number }.count
        let resolved = taken.prefix(count)
        taken.removeFirst(count)
        for (_, line) in resolved { line.completion(.written) }
    }

    // MARK: Where it goes on

    private func askIfUnsure() {
        guard case .unsure = state, given == 0, !isWaitingForAnswer else { return }
        state = .asking
        ask()
    }

    /// Asks where to continue; only while the library has no lines, or it would not know which of them is the next.
    private func ask() {
        isWaitingForAnswer = true
        session.resumeWriting(epoch: journal.epoch, last: UInt64(journal.count)) { [self] result in
            isWaitingForAnswer = false
            if case .closed = state { return }
            switch result {
            case .success(let position): goOn(position)
            case .failure(.sessionBeganAnew), .failure(.writerForgotten):
                beginAnew(nil)
                state = .unsure
            case .failure:
                if case .asking = state, !isAlive() { refuseHeld() }
                timer.start(after: .milliseconds(50)) { [self] _ in given == 0 ? ask() : watchTaken() }
            }
            askIfUnsure()
        }
    }

    /// Holds lines from now on, until another keeper has introduced itself.
    private func ended() {
        guard case .open = state else { return }
        state = .unsure
        askIfUnsure()
    }

    private func goOn(_ position: WriterPosition) {
        if journal.epoch != position.epoch {
            beginAnew(position.epoch)
            if position.last > 0 { onViolation("a new session knows line \(position.last) of a writer that sent none") }
        } else if position.last > journal.count || position.acknowledged > position.last {
            onViolation("the keeper has taken \(position.last) of \(journal.count) lines: \(position)")
        }
        if session.onEnd == nil { session.onEnd = { [weak self] _ in self?.ended() } }
        resolveTaken(upTo: position.acknowledged)
        let again = takeLeft(position)
        if case .asking = state {
            journal.cut(to: Int(position.last))
            state = .open
            let held = waiting
            waiting = []
            waitingByteCount = 0
            for line in again + held { send(line) }
        }
        watchTaken()
    }

    /// - Returns: the lines to send again, in order.
    private func takeLeft(_ position: WriterPosition) -> [Line] {
        guard !left.isEmpty else { return [] }
        var lines = Dictionary(uniqueKeysWithValues: left.map { ($0.place, $0) })
        var again: [Line] = []
        for number in 1..<journal.count + 1 {
            guard let line = lines.removeValue(forKey: journal[number]) else { continue }
            if number <= position.acknowledged {
                line.completion(.written)
            } else if number <= position.last {
                taken.append((UInt64(number), line))
            } else {
                again.append(line)
            }
        }
        // The rest never had a number.
        again += left.filter { lines[$0.place] != nil }
        left = []
        return again
    }

    /// Begins anew: another keeper does not know the lines that were sent.
    private func beginAnew(_ epoch: String?) {
        let sent = Set(journal.count > 0 && !left.isEmpty ? (1...journal.count).map { journal[$0] } : [])
        let lost = left.filter { sent.contains($0.place) } + taken.map(\.line)
        left.removeAll { sent.contains($0.place) }
        taken = []
        journal.begin(epoch)
        for line in lost { line.completion(.unknown) }
    }

    /// Asks repeatedly for the outcomes of lines that this process has not sent, since they are not reported otherwise.
    private func watchTaken() {
        guard !taken.isEmpty else { return }
        timer.start(after: .milliseconds(10)) { [self] _ in
            if given == 0, !isWaitingForAnswer, case .open = state { ask() } else { watchTaken() }
        }
    }
}

extension Ledger.Outcome {
    init(_ outcome: WriteOutcome) {
        switch outcome {
        case .written: self = .written
        case .sent: self = .handedOver
        case .refused(.queueFull): self = .overflowed
        case .refused: self = .refused
        case .unknown: self = .unknown
        }
    }
}
