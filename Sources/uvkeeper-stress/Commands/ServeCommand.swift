import ArgumentParser
import UVKeeper

/// The server that `restart` kills: finds or starts the sessions of a run and writes to them until it is ended.
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "serve", shouldDisplay: false)

    @OptionGroup var load: LoadOptions
    @Option var directory: String
    /// The start of the run on the monotonic clock, in microseconds.
    @Option var start: UInt64

    func run() throws {
        let clock = RunClock(start: .microseconds(Int64(start)))
        let engine = try Engine(load.settings(duration: 1e6), run: RunDirectory(directory: directory), clock: clock)
        engine.isServer = true
        try engine.execute()
    }
}
