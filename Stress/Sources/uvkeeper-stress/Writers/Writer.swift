import UVKeeper

/// A writer: makes lines, hands them to a session, and notes the outcome of each in its ledger.
final class Writer {
    let number: Int
    let ledger: Ledger
    /// Sends a line; set by the engine. The completion runs once, on a later tick.
    var send: (_ bytes: [UInt8], _ sequence: Int, _ completion: @escaping (Ledger.Outcome) -> Void) -> Void = {
        _, _, _ in
    }
    private(set) var outstanding = 0
    private(set) var isStopped = false
    private let settings: LoadSettings
    private let clock: RunClock
    private var generator: SeededGenerator
    private let onCompletion: (Writer, Ledger.Outcome, Int, UInt64) -> Void
    /// The number of lines intended so far, in an open loop.
    private var intended = 0

    init(
        _ number: Int, ledger: Ledger, settings: LoadSettings, seed: UInt64, clock: RunClock,
        onCompletion: @escaping (Writer, Ledger.Outcome, Int, UInt64) -> Void,
    ) {
        self.number = number
        self.ledger = ledger
        self.settings = settings
        self.clock = clock
        self.onCompletion = onCompletion
        // A restarted writer continues with other sizes than it began with.
        generator = SeededGenerator(seed: seed &+ UInt64(ledger.count) &* 31)
    }

    func stop() { isStopped = true }

    /// Sends the lines that are due: in an open loop by the clock, in a closed one by the window.
    func pump(startedAt start: UInt64, perWriterRate rate: Double?) {
        guard !isStopped else { return }
        if let rate {
            let now = clock.microseconds
            let due = now < start ? 0 : Int(Double(now - start) * rate / 1_000_000) + 1
            while intended < due, !isDone {
                let moment = start + UInt64(Double(intended) * 1_000_000 / rate)
                intended += 1
                send(intendedAt: moment)
            }
        } else {
            while outstanding < settings.inFlight, !isDone { send(intendedAt: clock.microseconds) }
        }
    }

    private var isDone: Bool {
        isStopped || ledger.isFull || ledger.count >= (settings.linesPerWriter ?? .max)
    }

    /// True if the writer has no more to send and to wait for.
    var isFinished: Bool { outstanding == 0 && isDone }

    private func send(intendedAt moment: UInt64) {
        let isLong = settings.longLineInterval.map { ledger.count % $0 == $0 / 2 } ?? false
        let size = (isLong ? LineSizes.long : settings.sizes).draw(&generator)
        let sequence = ledger.begin(byteCount: size, time: clock.microseconds)
        send(line(sequence, size), sequence, completion(sequence, size, intendedAt: moment))
    }

    /// Returns the lines that a killed server has left without an outcome, in order; to be called once, before the
    /// first line.
    func takeLeft() -> [JournaledSender.Line] {
        (0..<ledger.count).compactMap { sequence in
            let entry = ledger[sequence]
            guard entry.outcome == .pending else { return nil }
            return JournaledSender.Line(
                place: Journal.Line(writer: number, sequence: sequence), bytes: line(sequence, entry.byteCount),
                completion: completion(sequence, entry.byteCount, intendedAt: entry.time))
        }
    }

    private func line(_ sequence: Int, _ size: Int) -> [UInt8] {
        LineFormat(kind: LineFormat.Kind.ordered, writer: number, sequence: sequence, byteCount: size).bytes()
    }

    private func completion(
        _ sequence: Int, _ size: Int, intendedAt moment: UInt64,
    ) -> (Ledger.Outcome) -> Void {
        outstanding += 1
        return { [self] outcome in
            outstanding -= 1
            let now = clock.microseconds
            let latency = now > moment ? now - moment : 0
            ledger.complete(sequence, outcome, latency: latency, time: now)
            onCompletion(self, outcome, size, latency)
        }
    }
}
