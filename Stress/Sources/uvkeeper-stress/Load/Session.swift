import UVKeeper

/// A session under test: starts its keeper, starts it again when it has ended, and keeps the receipts of every child.
final class Session {
    let index: Int
    let name: SessionID
    var id: String { name.rawValue }
    private(set) var lives: [Life] = []
    var writers: [Writer] = []
    /// The lines of these writers that were reported written in the present life.
    var toldWritten = 0
    /// The lines of these writers that went to the raw socket in the present life, because the channel's was missing.
    var toldHandedOver = 0
    /// The stubbornness of the children that are started from now on.
    var stubbornness: Stubbornness = []
    /// The journal of the server that has one.
    let journal: Journal?
    /// Lines of bursts, by their own ledger.
    let burst: Ledger
    /// Lines of foreign clients of the channel.
    let clients: Ledger
    /// The ledgers of another server's writers.
    let driven: [Ledger]
    let run: RunDirectory
    let manager: KeeperManager
    let settings: LoadSettings
    private let clock: RunClock
    /// The number of this session's starts, including those by other servers.
    private lazy var attempts = run.lives(session: index).count
    private var isStarting = false
    private var isEnding = false
    private var wantedAt: UInt64 = 0
    /// The times from the call to the accepting socket, in microseconds.
    private(set) var startTimes: [UInt64] = []
    private(set) var failedStarts: [FailedStart] = []
    /// Called for each failed start, for a server that may be killed before it can report.
    var onFailedStart: (FailedStart) -> Void = { _ in }
    /// Files that keepers which ended in order have left on disk.
    private var leftBehind: [String] = []
    /// The readers of its output here; nil if none is kept.
    private(set) var readers: SessionReaders?
    /// The logs of another server's readers.
    private let drivenLogs: [[ChildStream: ReadLog]]

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
        drivenLogs = try (0..<settings.drivenReaders).map { count in
            var logs: [ChildStream: ReadLog] = [:]
            for stream in ChildStream.allCases {
                let number = settings.firstReader + settings.readers + count
                logs[stream] = try ReadLog(run.readLog(session: index, reader: number, stream))
            }
            return logs
        }
        if settings.readers > 0 { readers = try makeReaders() }
    }

    private func makeReaders() throws -> SessionReaders {
        let files = LifeFiles(of: index, in: run, writers: settings.allWriters)
        let isGuest = settings.firstReader > 0
        let session = manager.session(name)
        return try SessionReaders(
            of: name, index: index, in: run, manager: manager, settings: settings, clock: clock
        ) { [unowned self] in
            isGuest ? files.all : lives.map(\.receipts)
        } current: { [unowned self] in
            guard isGuest else { return current?.receipts }
            let epoch = session.record.flatMap { UInt64($0.epoch, radix: 16) }
            return files.all.last { epoch != nil && $0[.epoch] == epoch }
        }
    }

    /// The session's case for the judge.
    var judged: Judge.Case {
        let own = writers.map(\.ledger)
        return Judge.Case(
            index: index, lives: lives, ledgers: own + driven + [clients, burst],
            driven: own.count..<own.count + driven.count, exits: lives.map(\.keeperExit),
            patience: settings.patience(session: index), failedStarts: failedStarts, leftBehind: leftBehind,
            readings: readings, keptOutput: UInt64(LoadSettings.keptOutput))
    }

    private var readings: [Judge.Reading] {
        guard let readers else { return [] }
        return readers.followers.map { Judge.Reading(.own, $0.notes.logs, failures: $0.notes.failures) }
            + drivenLogs.map { Judge.Reading(.driven, $0) }
            + (readers.channel.map { [Judge.Reading(.channel, $0.notes.logs, failures: $0.nonsense)] } ?? [])
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

    /// The interval of starts that do not wait for the previous child.
    private static let besideChildInterval = 4

    /// Starts a keeper if none runs.
    func startIfNeeded() {
        // The record of the previous life is read first.
        guard !isStarting, !isEnding, current == nil, isEndKnown else { return }
        // A failed start is retried, but not in every tick.
        guard clock.microseconds >= wantedAt else { return }
        let survivor = lives.last.flatMap { $0.isChildGone ? nil : $0.childPID }
        // A start beside a child that a killed keeper has left may fail, so only some begin there.
        guard survivor == nil || attempts % Session.besideChildInterval == 1 else { return }
        guard readers?.areThrough(within: settings.drainLimit) ?? true else { return }
        noteEnds()
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
        var environment = run.environment
        if readers != nil { environment["PI_KEEPER_OUTPUT_MAX_BYTES"] = "\(LoadSettings.keptOutput)" }
        let options = SpawnOptions(
            environment: environment,
            command: [
                program, VerifyingChild.argument, path, "\(settings.allWriters)", settings.childFault.rawValue,
                "\(readers == nil ? 0 : OutputFormat.key(seed: settings.seed, session: index, life: number))",
            ],
            // A stand-in gets its settings by its environment only: the library asks its own sidecar for more, and no
            // other program.
            output: readers == nil || settings.keeperFault != .none ? nil : .kept(bytes: LoadSettings.keptOutput),
            // The deadline is generous, for slow machines: a keeper that never accepts is noticed by those who wait for
            // it.
            deadline: .seconds(120),
        )
        manager.spawnKeeper(for: name, in: run.directory, options) { [self] result in
            isStarting = false
            switch result {
            case .success(let keeper):
                startTimes.append(clock.microseconds - begun)
                receipts[.epoch] = manager.session(name).record.flatMap { UInt64($0.epoch, radix: 16) } ?? 0
                let life = Life(receipts, keeper: keeper, keeperPID: keeper.pid)
                lives.append(life)
                toldWritten = 0
                toldHandedOver = 0
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

    /// Sends one line of a foreign client to the raw socket, noted with those of bursts.
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

    /// Notes the remains of the keeper that ended last, before another takes its place: none may be left if it ended in
    /// order.
    func noteRemains() {
        guard let life = lives.last, !life.isInspected, case .exited? = life.keeperExit else { return }
        life.isInspected = true
        let left = KeeperFiles.left(of: name, in: manager.paths).filter {
            !life.isPIDFileGarbled || $0 != manager.paths.keeperPID(for: name)
        }
        guard !left.isEmpty else { return }
        leftBehind.append("life \(lives.count - 1), ended in order: \(left.joined(separator: " "))")
    }

    /// Notes the end of the last life's output by the record, before another life takes its place.
    func noteEnds() {
        guard let life = lives.last, life.ends == nil, let record = manager.session(name).record,
            UInt64(record.epoch, radix: 16) == life.receipts[.epoch], let exit = record.exit, let output = exit.output,
            exit.reason != .keeperLost
        else { return }
        life.ends = [.out: output.out.end, .err: output.err.end]
    }

    /// The reason, for people, why the session has no life that takes lines.
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

    /// Allows no more starts.
    func end() { isEnding = true }
}
