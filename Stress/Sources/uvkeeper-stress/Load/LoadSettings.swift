import UVKeeper

/// What load to make.
struct LoadSettings {
    enum Connecting: String, CaseIterable, Sendable {
        /// `KeeperManager.writeRPC`: each line has three attempts.
        case perLine = "per-line"
        /// `Session.write`: each line waits until the session ends.
        case pipelined
        /// One way for even sessions, the other for odd ones.
        case mixed
    }

    var sessions = 4
    var writers = 4
    /// The number of the first of them; those before are another server's.
    var firstWriter = 0
    /// Writers per session of another server, numbered after these.
    var drivenWriters = 0
    var sizes = LineSizes(64, 16384)
    var connecting = Connecting.perLine
    /// Lines per second of all writers together; nil: closed loop.
    var rate: Double?
    /// Closed loop: lines a writer waits for at once.
    var inFlight = 8
    var seed: UInt64 = 1
    var duration: Duration = .seconds(10)
    /// Nil: until the time is over.
    var linesPerWriter: Int?
    /// How many lines the burst's ledger can hold: each takes address space, and waves have many ledgers.
    var burstCapacity = Ledger.capacity
    var childFault = Mischief.Kind.none
    var keeperFault = FaultyKeeper.Kind.none
    /// Files of the process that discovers beside starts.
    var discoveryFault = Discoverer.Kind.honest
    /// Bytes that the server never gives back, for each line.
    var leakPerLine = 0
    /// One line in so many is sent twice.
    var resendInterval: Int?
    /// One line in so many is longer than a socket takes at once.
    var longLineInterval: Int?
    var lagBound: Duration = .seconds(2)
    /// How long what is under way is awaited, at the end of the load or of a step of a wave.
    var drainLimit: Duration = .seconds(20)

    /// How long the lines of a session wait for its keeper.
    func patience(session index: Int) -> Patience {
        switch connecting {
        case .perLine: .attempts
        case .pipelined: .untilSessionEnds
        case .mixed: index % 2 == 1 ? .untilSessionEnds : .attempts
        }
    }

    /// The writer number of foreign clients of the channel, after the last one of a server.
    var clientWriter: Int { firstWriter + writers + drivenWriters }

    /// The writer number of bursts, the last one.
    var burstWriter: Int { clientWriter + 1 }

    /// What a child may hear from.
    var allWriters: Int { burstWriter + 1 }
}

/// The sizes of lines: from one to the other, each power of two as likely as the next.
struct LineSizes: Sendable {
    let lower: Int
    let upper: Int

    /// More than the buffer of a socket.
    static let long = LineSizes(256 << 10, LineFormat.maximumByteCount)

    init(_ lower: Int, _ upper: Int) {
        self.lower = lower
        self.upper = upper
    }

    /// `64`, `1K`, `64..1M`.
    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: true)
        let numbers = parts.compactMap { LineSizes.number($0) }
        guard numbers.count == parts.count, let first = numbers.first, let last = numbers.last, numbers.count <= 2,
            first <= last, first >= LineFormat.minimumByteCount, last <= LineFormat.maximumByteCount
        else { return nil }
        self.init(first, last)
    }

    func draw(_ generator: inout SeededGenerator) -> Int {
        guard lower < upper else { return lower }
        let octaves = (0...30).first { lower << $0 >= upper } ?? 0
        let base = lower << Int(generator.next() % UInt64(max(1, octaves)))
        return min(upper, base + Int(generator.next() % UInt64(base + 1)))
    }

    private static func number(_ text: Substring) -> Int? {
        switch text.last {
        case "K", "k": Int(text.dropLast()).map { $0 << 10 }
        case "M", "m": Int(text.dropLast()).map { $0 << 20 }
        default: Int(text)
        }
    }
}
