import ArgumentParser
import UVKeeper

/// The options of a load.
struct LoadOptions: ParsableArguments {
    @Option(help: "Sessions, each with a keeper and a verifying child.")
    var sessions = 4

    @Option(help: "Writers per session; their lines are checked separately.")
    var writers = 4

    @Option(
        help: ArgumentHelp(
            "Bytes per line, one size or a range such as 64..1M; in a range each power of two is as likely.",
            valueName: "bytes"))
    var size = "64..16K"

    @Option(
        help: ArgumentHelp(
            "per-line: writeRPC, three attempts for a line, as servers use it; pipelined: Session.write, a line waits as long "
                + "as its session lives; mixed: both. Mixed for soak and chaos, else per-line, unless given."))
    var connect: LoadSettings.Connecting?

    @Option(
        help: ArgumentHelp(
            "Open loop: so many lines per second of all writers together; latency counts from when a line was due. "
                + "Without it, closed loop: each writer waits for its lines.", valueName: "lines/s"))
    var rate: Double?

    @Option(help: "Closed loop: lines that a writer waits for at once.")
    var inFlight = 8

    @Option(help: "Stop when each writer has sent so many lines, in chaos those of the other server too.")
    var lines: Int?

    @Option(
        help: ArgumentHelp(
            "Readers of each session's output, and as many in the other server of chaos; the children write then, and keepers "
                + "keep \(LoadSettings.keptOutput / 1024) KiB of each stream. 2 for chaos, else 0, unless given."))
    var readers: Int?

    @Option(help: "What is random follows from it; a failed run names its seed.")
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("The longest time the loop may be kept from its work.", valueName: "seconds"))
    var lagBound = 2.0

    @Option(help: .hidden)
    var drainLimit = 20.0

    @Option(help: .hidden)
    var faultyChild = Mischief.Kind.none

    @Option(help: .hidden)
    var faultyKeeper = FaultyKeeper.Kind.none

    @Option(help: .hidden)
    var leak = 0

    @Option(help: .hidden)
    var resend: Int?

    @Option(help: .hidden)
    var longLines: Int?

    func validate() throws {
        guard (1...256).contains(sessions), (1...64).contains(writers) else {
            throw ValidationError("--sessions takes 1 to 256, --writers 1 to 64")
        }
        guard LineSizes(size) != nil else {
            throw ValidationError("--size takes 64 to 1M, or a range such as 64..16K; '\(size)' is neither")
        }
        guard (0...16).contains(readers ?? 0) else { throw ValidationError("--readers takes 0 to 16") }
        guard (rate ?? 1) > 0, inFlight > 0, lagBound > 0, drainLimit > 0, (lines ?? 1) > 0,
            (resend ?? 1) > 0, (longLines ?? 1) > 0
        else {
            throw ValidationError("--rate, --in-flight, --lines and --lag-bound take numbers above 0")
        }
        guard (lines ?? 1) <= Ledger.capacity else {
            throw ValidationError("--lines takes \(Ledger.capacity) at most: more of one writer cannot be checked")
        }
    }

    /// The options for a server in another process to make the same load: all its lives together write as many lines.
    func arguments(rate: Double?, longLines: Int? = nil) -> [String] {
        [
            "--sessions", "\(sessions)", "--writers", "\(writers)", "--size", size,
            "--in-flight", "\(inFlight)", "--seed", "\(seed)", "--drain-limit", "\(drainLimit)",
        ] + (connect.map { ["--connect", $0.rawValue] } ?? []) + (rate.map { ["--rate", "\($0)"] } ?? [])
            + (lines.map { ["--lines", "\($0)"] } ?? [])
            + ((longLines ?? self.longLines).map { ["--long-lines", "\($0)"] } ?? [])
            + (faultyKeeper == .none ? [] : ["--faulty-keeper", faultyKeeper.rawValue])
    }

    func settings(duration: Double) -> LoadSettings {
        var settings = LoadSettings()
        settings.sessions = sessions
        settings.writers = writers
        if let sizes = LineSizes(size) { settings.sizes = sizes }
        if let connect { settings.connecting = connect }
        settings.rate = rate
        settings.inFlight = inFlight
        settings.linesPerWriter = lines
        settings.readers = readers ?? 0
        settings.seed = seed
        settings.duration = .seconds(duration)
        settings.lagBound = .seconds(lagBound)
        settings.drainLimit = .seconds(drainLimit)
        settings.childFault = faultyChild
        settings.keeperFault = faultyKeeper
        settings.leakPerLine = leak
        settings.resendInterval = resend
        settings.longLineInterval = longLines
        return settings
    }
}

extension LoadSettings.Connecting: ExpressibleByArgument {}
extension Mischief.Kind: ExpressibleByArgument {}
extension FaultyKeeper.Kind: ExpressibleByArgument {}
