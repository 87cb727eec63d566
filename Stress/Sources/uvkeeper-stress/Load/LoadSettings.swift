import UVKeeper

/// The settings of a load.
struct LoadSettings {
    enum Connecting: String, CaseIterable, Sendable {
        /// `KeeperManager.writeRPC`: each line has three attempts.
        case perLine = "per-line"
        /// `Session.write`: each line waits until the session ends.
        case pipelined
        /// `perLine` for even sessions, `pipelined` for odd ones.
        case mixed
    }

    var sessions = 4
    var writers = 4
    /// The number of the first writer; those before are another server's.
    var firstWriter = 0
    /// The number of writers per session of another server, numbered after these.
    var drivenWriters = 0
    var sizes = LineSizes(64, 16384)
    var connecting = Connecting.perLine
    /// The lines per second of all writers together; nil: closed loop.
    var rate: Double?
    /// The number of lines that a writer waits for at once, in a closed loop.
    var inFlight = 8
    var seed: UInt64 = 1
    var duration: Duration = .seconds(10)
    /// The number of lines; nil: until the time is over.
    var linesPerWriter: Int?
    /// The capacity of the burst's ledger, in lines: each takes address space, and waves have many ledgers.
    var burstCapacity = Ledger.capacity
    var childFault = Mischief.Kind.none
    var keeperFault = FaultyKeeper.Kind.none
    /// The fault of the process that discovers beside starts.
    var discoveryFault = Discoverer.Kind.honest
    /// The number of readers of each session's output; with none, no output is kept, and children write none.
    var readers = 0
    /// The number of the first reader; those before are the harness's.
    var firstReader = 0
    /// The number of readers of each session in another server, numbered after these.
    var drivenReaders = 0
    /// The bytes that the server leaks for each line.
    var leakPerLine = 0
    /// The interval of lines that are sent twice.
    var resendInterval: Int?
    /// The interval of lines that are longer than a socket takes at once.
    var longLineInterval: Int?
    var lagBound: Duration = .seconds(2)
    /// The longest wait for operations under way, at the end of the load or of a step of a wave.
    var drainLimit: Duration = .seconds(20)

    /// Returns the time that the lines of a session wait for its keeper.
    func patience(session index: Int) -> Patience {
        switch connecting {
        case .perLine: .attempts
        case .pipelined: .untilSessionEnds
        case .mixed: index % 2 == 1 ? .untilSessionEnds : .attempts
        }
    }

    /// The bytes of each stream that a keeper keeps: few, so that a reader that falls behind meets gaps.
    static let keptOutput = 262_144

    /// The number of the reader that has a connection of its own, after all others.
    var channelReader: Int { firstReader + readers + drivenReaders }

    /// The writer number of foreign clients of the channel, after the last one of a server.
    var clientWriter: Int { firstWriter + writers + drivenWriters }

    /// The writer number of bursts, the last one.
    var burstWriter: Int { clientWriter + 1 }

    /// The number of writers that a child may hear from.
    var allWriters: Int { burstWriter + 1 }
}

/// The sizes of lines between two bounds, each power of two as likely as the next.
struct LineSizes: Sendable {
    let lower: Int
    let upper: Int

    /// Sizes larger than the buffer of a socket.
    static let long = LineSizes(256 << 10, LineFormat.maximumByteCount)

    init(_ lower: Int, _ upper: Int) {
        self.lower = lower
        self.upper = upper
    }

    /// Parses a size or a range: `64`, `1K`, `64..1M`.
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
