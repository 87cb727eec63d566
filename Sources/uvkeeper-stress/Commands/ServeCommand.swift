import ArgumentParser
import UVKeeper

/// The server that `restart` and `chaos` kill: finds the sessions of a run and writes to them until it is ended.
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "serve", shouldDisplay: false)

    @OptionGroup var load: LoadOptions
    @Option var directory: String
    /// The start of the run on the monotonic clock, in microseconds.
    @Option var start: UInt64
    @Option var firstWriter = 0
    /// Somebody else starts the sessions.
    @Flag var guest = false

    func run() throws {
        var settings = load.settings(duration: 1e6)
        settings.firstWriter = firstWriter
        let run = RunDirectory(directory: directory)
        let vitals = try Vitals(run.vitals)
        let clock = RunClock(start: .microseconds(Int64(start)))
        try Engine(settings, run: run, clock: clock, role: guest ? .guest(vitals) : .server(vitals)).execute()
    }
}
