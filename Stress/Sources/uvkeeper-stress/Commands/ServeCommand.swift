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
    @Option var firstReader = 0
    /// True if another process starts the sessions.
    @Flag var guest = false
    /// True if stdin is a pipe that the harness holds open as long as it lives.
    @Flag var lifeline = false

    func run() throws {
        var settings = load.settings(duration: 1e6)
        settings.firstWriter = firstWriter
        settings.firstReader = firstReader
        let run = RunDirectory(directory: directory)
        let vitals = try Vitals(run.vitals)
        let clock = RunClock(start: .microseconds(Int64(start)))
        // The first loop of a process opens two descriptors for signals that libuv never closes.
        try Loop().close()
        let descriptors = OpenDescriptors.count
        let engine = try Engine(settings, run: run, clock: clock, role: guest ? .guest(vitals) : .server(vitals))
        if lifeline { try endWithHarness(engine) }
        try engine.execute()
        var violations = engine.early
        Remains.checkDescriptors(before: descriptors, into: &violations)
        guard violations.total > 0 else { return }
        StandardStreams.writeError(violations.told.map { "driven server: \($0)\n" }.joined())
        throw ExitCode(1)
    }

    private func endWithHarness(_ engine: Engine) throws(UVError) {
        let stdin = try PipeStream(takingOwnershipOf: 0, on: engine.loop)
        engine.others.append(stdin)
        try stdin.readStart(onBytes: { _, _ in }, onEnd: { _, _ in engine.drain() })
        stdin.unref()
    }
}
