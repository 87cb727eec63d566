import UVKeeper

/// A reader of a session's output by the library, life after life, which continues where it, or its predecessor in
/// another process, stopped.
///
/// The first reader of a session follows from the start; the others begin anywhere, and some only look.
final class Follower {
    private enum State {
        /// Not reading until a time, in microseconds.
        case idle(until: UInt64)
        case reading(OutputRead)
        case closed
    }

    /// The wait, in microseconds, after a read without result or one that only looked.
    private static let pause: UInt64 = 100_000

    private let number: Int
    let notes: ReaderNotes
    private let session: UVKeeper.Session
    private let clock: RunClock
    /// The session's present life; nil while there is none.
    private let target: () -> ReaderNotes.Life?
    private var generator: SeededGenerator
    private var state = State.idle(until: 0)
    private var isPaused = false

    init(
        _ number: Int, of session: UVKeeper.Session, _ notes: ReaderNotes, seed: UInt64, clock: RunClock,
        target: @escaping () -> ReaderNotes.Life?,
    ) {
        self.number = number
        self.session = session
        self.notes = notes
        self.clock = clock
        self.target = target
        generator = SeededGenerator(seed: seed)
    }

    /// True while the reader has not come to the end of its output.
    var hasMore: Bool {
        switch state {
        case .reading: true
        case .idle: !notes.isFull && notes.place != nil
        case .closed: false
        }
    }

    /// Begins to read, if there is something to read and no read yet.
    func tend() {
        guard case .idle(let until) = state, clock.microseconds >= until, !notes.isFull else { return }
        if let (life, offsets) = notes.place {
            return read(life, .offset, .offsets(offsets, epoch: life.epochText), at: offsets, follows: true)
        }
        guard let life = target() else { return }
        let choice = number == 0 ? 0 : generator.next() % 6
        switch choice {
        case 0: read(life, .start, .start, follows: true)
        case 1, 2: read(life, .end, .end, follows: true)
        case 3:
            var offsets: [ChildStream: UInt64] = [:]
            for stream in ChildStream.allCases {
                // The keeper does not know yet of bytes in its pipe.
                let written = life.receipts.written(stream).lowerBound
                let kept = written - min(written, Judge.pipeCapacity)
                offsets[stream] = UInt64(Double(kept) * generator.fraction())
            }
            read(life, .offset, .offsets(offsets, epoch: life.epochText), at: offsets, follows: true)
        case 4: read(life, .start, .start, follows: false)
        default: read(life, .last, .last(1 + generator.next() % ReadLog.longestLast), follows: false)
        }
    }

    /// - Parameter offsets: the places where the read begins; nil if the keeper decides.
    private func read(
        _ life: ReaderNotes.Life, _ kind: ReadLog.Start, _ start: OutputStart, at offsets: [ChildStream: UInt64]? = nil,
        follows: Bool,
    ) {
        var asked: [ChildStream: UInt64] = [:]
        for stream in ChildStream.allCases { asked[stream] = life.receipts.written(stream).lowerBound }
        if let offsets { _ = notes.begin(life.epoch, kind, at: offsets, asked: asked) }
        var read: OutputRead?
        // The first report tells the place where the read has begun, and its life.
        let hasBegun = { [self] (stream: ChildStream?, offset: UInt64) -> Bool in
            guard notes.life == nil else { return true }
            guard let read, let epoch = read.positionEpoch.flatMap({ UInt64($0, radix: 16) }) else { return false }
            var begins = read.position
            if let stream { begins[stream] = offset }
            if !begins.isEmpty, notes.begin(epoch, kind, at: begins, asked: epoch == life.epoch ? asked : [:]) {
                return true
            }
            // The harness does not know this life yet.
            read.cancel()
            rest()
            return false
        }
        let started = session.read(ChildStream.allCases, from: start, follows: follows) {
            [self] stream, offset, bytes in
            guard hasBegun(stream, offset) else { return }
            bytes.withUnsafeBytes { notes.note(stream, offset, $0) }
            if notes.isFull { close() }
        } onEvent: { [self] event in
            switch event {
            case .gap(let stream, let range):
                if hasBegun(stream, range.lowerBound) { notes.noteGap(stream, range) }
            case .finished(let ends):
                if hasBegun(nil, 0) { ended { notes.end(.finished, ends) } }
            case .ended(let exit):
                guard hasBegun(nil, 0) else { return rest() }
                ended {
                    guard let output = exit?.output else { return notes.end(.endsUnknown) }
                    notes.end(.ends, [.out: output.out.end, .err: output.err.end])
                }
            case .failed(.sessionBeganAnew): ended { notes.end(.anew) }
            case .failed(.closed): ended { notes.end(.stopped) }
            case .failed(let error): ended { notes.fail(error) }
            }
        }
        read = started
        state = .reading(started)
        if isPaused { started.pause() }
    }

    private func ended(_ note: () -> Void) {
        note()
        rest()
    }

    private func rest() {
        guard !isClosed else { return }
        state = .idle(until: clock.microseconds + Follower.pause)
    }

    private var isClosed: Bool { if case .closed = state { true } else { false } }

    /// Stops taking bytes for now.
    func pause() {
        isPaused = true
        if case .reading(let read) = state { read.pause() }
    }

    func resume() {
        isPaused = false
        if case .reading(let read) = state { read.resume() }
    }

    func close() {
        if case .reading(let read) = state {
            read.cancel()
            notes.end(.stopped)
        }
        state = .closed
    }
}
