import UVKeeper

/// All readers of one session's output in this process.
final class SessionReaders {
    let followers: [Follower]
    /// The reader without the library; nil in a server beside the harness.
    let channel: ChannelReader?
    private let clock: RunClock
    /// The time since when a next life waits for the readers, in microseconds.
    private var awaitedSince: UInt64?

    /// - Parameters:
    ///   - lives: returns the receipts of the session's lives, the last one last.
    ///   - current: returns the receipts of the present life; nil while there is none.
    init(
        of session: SessionID, index: Int, in run: RunDirectory, manager: KeeperManager, settings: LoadSettings,
        clock: RunClock, lives: @escaping () -> [Receipts], current: @escaping () -> Receipts?,
    ) throws {
        self.clock = clock
        let find = { (epoch: UInt64) in
            lives().last { epoch > 0 && $0[.epoch] == epoch }.map { ReaderNotes.Life(epoch: epoch, receipts: $0) }
        }
        let target = { current().flatMap { find($0[.epoch]) } }
        let notes = { (number: Int) throws in
            try ReaderNotes({ run.readLog(session: index, reader: number, $0) }, clock: clock, find: find)
        }
        followers = try (0..<settings.readers).map { count in
            let number = settings.firstReader + count
            return Follower(
                number, of: manager.session(session), try notes(number),
                seed: settings.seed &+ UInt64(index * 1000 + number) ^ 0xF0, clock: clock, target: target)
        }
        channel =
            settings.firstReader > 0
            ? nil
            : ChannelReader(
                to: manager.paths.channel(for: session), try notes(settings.channelReader), clock: clock,
                on: manager.loop, target: target)
    }

    /// Starts all readers that have something to read.
    func tend() {
        for follower in followers { follower.tend() }
        channel?.tend()
    }

    /// After the session has ended, starts only the readers that have not come to its end.
    func finish() { for follower in followers where follower.hasMore { follower.tend() } }

    /// True if no reader still reads a life that has ended, or reading takes too long: a next life removes the rest.
    func areThrough(within limit: Duration) -> Bool {
        guard followers.contains(where: \.hasMore) else {
            awaitedSince = nil
            return true
        }
        let now = clock.microseconds
        let since = awaitedSince ?? now
        awaitedSince = since
        return now - since > RunClock.microseconds(limit)
    }

    func close() {
        for follower in followers { follower.close() }
        channel?.close()
    }
}

/// Finds the lives of a session that another process starts, by their files.
final class LifeFiles {
    private let run: RunDirectory
    private let index: Int
    private let writers: Int
    private var receipts: [Receipts] = []

    init(of index: Int, in run: RunDirectory, writers: Int) {
        self.run = run
        self.index = index
        self.writers = writers
    }

    /// The receipts of all lives that have files by now.
    var all: [Receipts] {
        for number in run.lives(session: index).dropFirst(receipts.count) {
            // A file that cannot be opened now is tried again later.
            guard let next = try? Receipts(run.receipts(session: index, life: number), writers: writers) else { break }
            receipts.append(next)
        }
        return receipts
    }
}
