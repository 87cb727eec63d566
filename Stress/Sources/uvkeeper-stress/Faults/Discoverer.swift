import UVKeeper

/// A server that only discovers, repeatedly while it is told to: the other process of a ``DiscoveryRace``.
final class Discoverer {
    enum Kind: String, CaseIterable, Sendable {
        case honest
        /// A discovery that removes the files of a dead keeper without the lock of its pid file, at the worst moment:
        /// when another keeper has taken its place, and started. The proof that the harness notices.
        case lockless
    }

    /// The orders to a discoverer, and its answers, in a file.
    final class Orders {
        enum Word: Int {
            /// An ``Order``, written by the harness.
            case order
            case begun, ended
            /// The number of passes that have failed.
            case failed
        }

        enum Order: Int {
            case rest
            /// Make one pass after the other, while keepers start.
            case go
            /// Make one pass after the other, when all keepers have started.
            case goOn
        }

        private let file: SharedFile

        init(_ run: RunDirectory) throws {
            file = try SharedFile("\(run.directory)/discoverer", byteCount: 8 * 8)
        }

        subscript(word: Word) -> Int {
            get { Int(file[word.rawValue]) }
            set { file[word.rawValue] = UInt64(newValue) }
        }

        var order: Order {
            get { Order(rawValue: self[.order]) ?? .rest }
            set { self[.order] = newValue.rawValue }
        }
    }

    private let orders: Orders
    private let kind: Kind
    private let loop: Loop
    private let manager: KeeperManager
    private let timer: TimerHandle
    private let lifeline: PipeStream
    /// The process that a lockless discovery took for a session's keeper, by session.
    private var seen: [SessionID: Int32] = [:]

    /// Creates a discoverer, whose stdin is a pipe that the harness holds open as long as it needs the discoverer.
    init(_ run: RunDirectory, _ kind: Kind) throws {
        orders = try Orders(run)
        self.kind = kind
        loop = try Loop()
        var options = KeeperManager.Options()
        options.sessionsDirectory = run.sessions
        manager = try KeeperManager(on: loop, options: options)
        timer = TimerHandle(on: loop)
        lifeline = try PipeStream(takingOwnershipOf: 0, on: loop)
    }

    /// Discovers until stdin has ended.
    func run() throws {
        // The timer repeats, since a tick may run a timer that is due, and then wait for the next.
        timer.start(after: .milliseconds(1), repeating: .milliseconds(1)) { _ in }
        var isOver = false
        try lifeline.readStart(onBytes: { _, _ in }, onEnd: { _, _ in isOver = true })
        while !isOver {
            guard orders.order != .rest else {
                loop.run(.once)
                continue
            }
            orders[.begun] += 1
            pass()
            orders[.ended] += 1
        }
    }

    private func pass() {
        guard kind == .honest else { return passLockless() }
        var result: Result<KeeperDiscovery, KeeperError>?
        manager.discoverExistingKeepers { result = $0 }
        while result == nil { loop.run(.once) }
        if case .failure? = result { orders[.failed] += 1 }
    }

    private func passLockless() {
        // The loop looks at stdin, which may have ended.
        loop.run(.noWait)
        guard orders.order == .goOn else { return }
        let paths = manager.paths
        for name in (try? Files.names(inDirectory: paths.directory)) ?? [] {
            guard let session = paths.sessionID(ofKeeperPIDFileNamed: name),
                let bytes = try? Files.read(paths.keeperPID(for: session), limit: 32),
                let pid = Int32(String(decoding: bytes, as: UTF8.self)), Processes.liveness(of: pid) != .gone
            else { continue }
            defer { seen[session] = pid }
            guard let old = seen[session], old != pid, Processes.liveness(of: old) == .gone else { continue }
            for path in [paths.socket(for: session), paths.childPID(for: session), paths.keeperPID(for: session)] {
                try? Files.unlinkIfPresent(path)
            }
        }
    }
}
