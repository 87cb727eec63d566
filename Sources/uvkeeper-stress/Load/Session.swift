import UVKeeper

/// One session under test: starts its keeper, starts it again when it has ended, and keeps what every child received.
final class Session {
    /// One life of a session: a keeper and a child.
    final class Life {
        let receipts: Receipts
        let keeper: SpawnedKeeper?
        let keeperPID: Int32
        /// When its socket accepted.
        let readyAt: UInt64

        init(_ receipts: Receipts, keeper: SpawnedKeeper?, keeperPID: Int32, readyAt: UInt64) {
            self.receipts = receipts
            self.keeper = keeper
            self.keeperPID = keeperPID
            self.readyAt = readyAt
        }

        var childPID: Int32 { Int32(truncatingIfNeeded: receipts[.pid]) }
    }

    let index: Int
    let id: String
    private(set) var lives: [Life] = []
    var writers: [Writer] = []
    /// Lines of bursts, by their own ledger.
    let burst: Ledger
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
        id = "s\(index)"
        self.run = run
        self.manager = manager
        self.settings = settings
        self.clock = clock
        burst = try Ledger(run.ledger(session: index, writer: settings.burstWriter))
    }

    /// The life that takes lines now; nil while there is none.
    var current: Life? {
        guard !isStarting, let life = lives.last, life.keeper?.process.isRunning ?? true else { return nil }
        return life
    }

    /// Starts a keeper if none runs. `completion` runs when one accepts, or with the reason.
    func startIfNeeded(_ completion: @escaping (KeeperError?) -> Void = { _ in }) {
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
            receipts = try Receipts(path, writers: settings.writers + 1)
            program = try LibUV.executablePath()
        } catch {
            isStarting = false
            wantedAt = begun + 200_000
            return
        }
        manager.spawnKeeper(
            for: id, in: run.directory, environment: run.environment,
            command: [
                program, VerifyingChild.argument, path, "\(settings.writers + 1)", settings.childFault.rawValue,
            ],
            readiness: .accepting
        ) { [self] result in
            isStarting = false
            switch result {
            case .success(let keeper):
                startTimes.append(clock.microseconds - begun)
                lives.append(
                    Life(receipts, keeper: keeper, keeperPID: keeper.pid, readyAt: clock.microseconds))
                completion(nil)
            case .failure(let error):
                wantedAt = clock.microseconds + 100_000
                startFailures.append("\(error)")
                completion(error)
            }
        }
    }

    /// Takes over the lives that other processes have started, by their files.
    func adopt(keeperPID: Int32) throws {
        for number in run.lives(session: index) {
            let receipts = try Receipts(run.receipts(session: index, life: number), writers: settings.writers + 1)
            lives.append(Life(receipts, keeper: nil, keeperPID: keeperPID, readyAt: 0))
        }
    }

    /// No more starts.
    func end() { isEnding = true }

    /// Whether a line arrived in any life.
    func hasReceived(_ writer: Int, _ sequence: Int) -> Bool {
        lives.contains { $0.receipts.hasReceived(writer, sequence) }
    }
}
