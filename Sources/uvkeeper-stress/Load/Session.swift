import UVKeeper

/// One session under test: starts its keeper, starts it again when it has ended, and keeps what every child received.
final class Session {
    /// One life of a session: a keeper and a child.
    final class Life {
        let receipts: Receipts
        let keeper: SpawnedKeeper?
        let keeperPID: Int32
        /// Its child ran, but the start failed: what it has received counts, and nobody writes to it any more.
        let hasFailed: Bool
        /// By its server; anything else that ends it is a fault.
        var wasToldToEnd = false

        init(_ receipts: Receipts, keeper: SpawnedKeeper?, keeperPID: Int32, hasFailed: Bool = false) {
            self.receipts = receipts
            self.keeper = keeper
            self.keeperPID = keeperPID
            self.hasFailed = hasFailed
        }

        var childPID: Int32 { Int32(truncatingIfNeeded: receipts[.pid]) }
    }

    let index: Int
    let name: SessionID
    var id: String { name.rawValue }
    private(set) var lives: [Life] = []
    var writers: [Writer] = []
    /// Lines of bursts, by their own ledger.
    let burst: Ledger
    /// Of the writers of another server.
    let driven: [Ledger]
    private let run: RunDirectory
    private let manager: KeeperManager
    private let settings: LoadSettings
    private let clock: RunClock
    /// Of this session, by other servers too.
    private lazy var attempts = run.lives(session: index).count
    private var isStarting = false
    private var isEnding = false
    private var wantedAt: UInt64 = 0
    /// In microseconds, from the call to the accepting socket.
    private(set) var startTimes: [UInt64] = []
    private(set) var startFailures: [String] = []

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
        driven = try (0..<settings.drivenWriters).map {
            try Ledger(run.ledger(session: index, writer: settings.firstWriter + settings.writers + $0))
        }
    }

    /// For the judge.
    var judged: Judge.Case {
        let own = writers.map(\.ledger)
        return Judge.Case(
            index: index, lives: lives, ledgers: own + driven + [burst], driven: own.count..<own.count + driven.count)
    }

    /// The life that takes lines now; nil while there is none.
    var current: Life? {
        guard !isStarting, let life = lives.last, !life.hasFailed, life.keeper?.process.isRunning ?? true else {
            return nil
        }
        return life
    }

    /// The processes of the life that takes lines now.
    var watched: [StarvationWatch.Watched] {
        guard let current else { return [] }
        return [current.keeperPID, current.childPID].map { StarvationWatch.Watched(part: .session(index), pid: $0) }
    }

    /// Starts a keeper if none runs.
    func startIfNeeded() {
        guard !isStarting, !isEnding, current == nil else { return }
        // A failed start is tried again, but not in every tick.
        guard clock.microseconds >= wantedAt else { return }
        isStarting = true
        let begun = clock.microseconds
        let path = run.receipts(session: index, life: attempts)
        attempts += 1
        let receipts: Receipts
        let program: String
        do {
            receipts = try Receipts(path, writers: settings.allWriters)
            program = try LibUV.executablePath()
        } catch {
            isStarting = false
            wantedAt = begun + 200_000
            startFailures.append("\(error)")
            return
        }
        manager.spawnKeeper(
            for: id, in: run.directory, environment: run.environment,
            command: [
                program, VerifyingChild.argument, path, "\(settings.allWriters)", settings.childFault.rawValue,
            ],
            readiness: .accepting
        ) { [self] result in
            isStarting = false
            switch result {
            case .success(let keeper):
                startTimes.append(clock.microseconds - begun)
                lives.append(Life(receipts, keeper: keeper, keeperPID: keeper.pid))
            case .failure(let error):
                wantedAt = clock.microseconds + 100_000
                startFailures.append("\(error)")
                if receipts[.pid] > 0 {
                    lives.append(Life(receipts, keeper: nil, keeperPID: 0, hasFailed: true))
                }
            }
        }
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
