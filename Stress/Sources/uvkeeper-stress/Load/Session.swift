import UVKeeper

/// One session under test: starts its keeper, starts it again when it has ended, and keeps what every child received.
final class Session {
    let index: Int
    let name: SessionID
    var id: String { name.rawValue }
    private(set) var lives: [Life] = []
    var writers: [Writer] = []
    /// Lines of these that were reported written in the present life.
    var toldWritten = 0
    /// That of the children that are started from now on.
    var stubbornness: Stubbornness = []
    /// What the server with a journal has given out.
    let journal: Journal?
    /// Lines of bursts, by their own ledger.
    let burst: Ledger
    /// Lines of foreign clients of the channel.
    let clients: Ledger
    /// Of the writers of another server.
    let driven: [Ledger]
    let run: RunDirectory
    let manager: KeeperManager
    let settings: LoadSettings
    private let clock: RunClock
    /// Of this session, by other servers too.
    private lazy var attempts = run.lives(session: index).count
    private var isStarting = false
    private var isEnding = false
    private var wantedAt: UInt64 = 0
    /// In microseconds, from the call to the accepting socket.
    private(set) var startTimes: [UInt64] = []
    private(set) var failedStarts: [FailedStart] = []
    /// Told of each failed start, for a server that may be killed before it can tell.
    var onFailedStart: (FailedStart) -> Void = { _ in }
    /// Files that keepers which ended in order have left on disk.
    private var leftBehind: [String] = []

    init(
        _ index: Int, in run: RunDirectory, manager: KeeperManager, settings: LoadSettings, clock: RunClock
    ) throws {
        self.index = index
        name = try SessionID("s\(index)")
        self.run = run
        self.manager = manager
        self.settings = settings
        self.clock = clock
        burst = try Ledger(run.ledger(session: index, writer: settings.burstWriter), capacity: settings.burstCapacity)
        clients = try Ledger(
            run.ledger(session: index, writer: settings.clientWriter), capacity: settings.burstCapacity)
        journal = settings.drivenWriters > 0 ? try Journal(run.journal(session: index)) : nil
        driven = try (0..<settings.drivenWriters).map {
            try Ledger(run.ledger(session: index, writer: settings.firstWriter + settings.writers + $0))
        }
    }

    /// For the judge.
    var judged: Judge.Case {
        let own = writers.map(\.ledger)
        return Judge.Case(
            index: index, lives: lives, ledgers: own + driven + [clients, burst],
            driven: own.count..<own.count + driven.count, exits: lives.map(\.keeperExit),
            patience: settings.patience(session: index), failedStarts: failedStarts, leftBehind: leftBehind)
    }

    /// The life that takes lines now; nil while there is none.
    var current: Life? {
        guard !isStarting, let life = lives.last, !life.hasFailed, life.keeper?.isRunning ?? true else {
            return nil
        }
        return life
    }

    /// The processes of the life that takes lines now.
    var watched: [StarvationWatch.Watched] {
        guard let current else { return [] }
        return [current.keeperPID, current.childPID].map { StarvationWatch.Watched(part: .session(index), pid: $0) }
    }

    /// One start in so many does not wait for the child before.
    private static let besideChildInterval = 4

    /// Starts a keeper if none runs.
    func startIfNeeded() {
        // The record of the life before is read first.
        guard !isStarting, !isEnding, current == nil, isEndKnown else { return }
        // A failed start is tried again, but not in every tick.
        guard clock.microseconds >= wantedAt else { return }
        let survivor = lives.last.flatMap { $0.isChildGone ? nil : $0.childPID }
        // A start beside a child that a killed keeper has left may fail, so only some begin there.
        guard survivor == nil || attempts % Session.besideChildInterval == 1 else { return }
        noteRemains()
        isStarting = true
        let begun = clock.microseconds
        let failed = { [self] (error: any Error, life: Int?) in
            // A start that the end of the run prevents has not failed.
            guard !isEnding else { return }
            failedStarts.append(
                FailedStart(
                    begin: begun, end: clock.microseconds, survivor: survivor, life: life, text: "\(error)"))
            onFailedStart(failedStarts[failedStarts.count - 1])
        }
        let path = run.receipts(session: index, life: attempts)
        let number = attempts
        attempts += 1
        let receipts: Receipts
        let program: String
        do {
            receipts = try Receipts(path, writers: settings.allWriters)
            receipts[.stubbornness] = stubbornness.rawValue
            program = try CurrentProcess.executablePath()
        } catch {
            isStarting = false
            wantedAt = begun + 200_000
            return failed(error, nil)
        }
        let options = SpawnOptions(
            environment: run.environment,
            command: [
                program, VerifyingChild.argument, path, "\(settings.allWriters)", settings.childFault.rawValue,
            ],
            // However slow the machine is: a keeper that never accepts is noticed by whoever waits for it.
            deadline: .seconds(120),
        )
        manager.spawnKeeper(for: name, in: run.directory, options) { [self] result in
            isStarting = false
            switch result {
            case .success(let keeper):
                startTimes.append(clock.microseconds - begun)
                let life = Life(receipts, keeper: keeper, keeperPID: keeper.pid)
                lives.append(life)
                toldWritten = 0
                manager.session(name).onEnd = { [self] in note($0, as: life) }
            case .failure(let error):
                wantedAt = clock.microseconds + 100_000
                let hasChild = receipts[.pid] > 0
                failed(error, hasChild ? number : nil)
                if hasChild {
                    lives.append(Life(receipts, keeper: nil, keeperPID: 0, hasFailed: true))
                }
            }
        }
    }

    /// One line of a foreign client to the raw socket, noted with those of bursts.
    func sendLine(
        byteCount: Int = LineFormat.minimumByteCount, isFinished: Bool = true, completion: @escaping () -> Void,
    ) {
        let begun = clock.microseconds
        let sequence = burst.begin(byteCount: byteCount, time: begun)
        let line = LineFormat(
            kind: LineFormat.Kind.unordered, writer: settings.burstWriter, sequence: sequence, byteCount: byteCount)
        let bytes = isFinished ? line.bytes() : line.bytes().dropLast()
        let complete = { [self] (outcome: Ledger.Outcome) in
            let now = clock.microseconds
            burst.complete(sequence, outcome, latency: now - begun, time: now)
            completion()
        }
        do throws(UVError) {
            try RawClient(to: manager.paths.socket(for: name), Array(bytes), on: manager.loop, completion: complete)
        } catch {
            manager.loop.onNextTick { complete(.refused) }
        }
    }

    /// Notes what the keeper that ended last has left, before another takes its place: nothing, if it ended in order.
    func noteRemains() {
        guard let life = lives.last, !life.isInspected, case .exited? = life.keeperExit else { return }
        life.isInspected = true
        let left = KeeperFiles.left(of: name, in: manager.paths).filter {
            !life.isPIDFileGarbled || $0 != manager.paths.keeperPID(for: name)
        }
        guard !left.isEmpty else { return }
        leftBehind.append("life \(lives.count - 1), ended in order: \(left.joined(separator: " "))")
    }

    /// For people: what keeps it from having a life that takes lines.
    var obstacle: String {
        var words: [String] = []
        if isStarting { words.append("a keeper is starting") }
        if let life = lives.last {
            if let exit = life.keeperExit { words.append("keeper \(life.keeperPID) \(exit)") }
            if !life.isChildGone { words.append("its child \(life.childPID) lives") }
        }
        words += failedStarts.suffix(2).map(\.text)
        let log = (try? Files.read(manager.paths.log(for: name), limit: 1 << 24)) ?? []
        words += String(decoding: log, as: UTF8.self).split(separator: "\n").suffix(6).map(String.init)
        return words.joined(separator: "; ")
    }

    /// Takes over the lives that other processes have started, by their files.
    func adopt(keeperPID: Int32) throws {
        for number in run.lives(session: index) {
            let receipts = try Receipts(run.receipts(session: index, life: number), writers: settings.allWriters)
            lives.append(Life(receipts, keeper: nil, keeperPID: keeperPID))
        }
    }

    /// No more starts.
    func end() { isEnding = true }
}
