import ArgumentParser

struct SpawnCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spawn",
        abstract: "Start and kill keepers in waves: time to an accepting socket, memory of each, what is left.",
        discussion: """
            Half of a wave ends by SIGTERM, the other half by SIGKILL, drawn from --seed; then no process may be left, and \
            after a discovery no file; of those that ended by SIGTERM not before it either. No start may fail.

              uvkeeper-stress spawn --keepers 50 --duration 30
            """,
    )

    @OptionGroup var output: OutputOptions

    @Option(help: "Keepers in a wave, started at once.")
    var keepers = 16

    @Option(help: ArgumentHelp("How long to start new waves.", valueName: "seconds"))
    var duration = 10.0

    @Option(help: "What is random follows from it.")
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("The longest time the loop may be kept from its work.", valueName: "seconds"))
    var lagBound = 2.0

    @Option(help: .hidden)
    var drainLimit = 20.0

    @Option(help: .hidden)
    var faultyKeeper = FaultyKeeper.Kind.none

    func validate() throws {
        guard (1...1000).contains(keepers), duration > 0, lagBound > 0, drainLimit > 0 else {
            throw ValidationError("--keepers takes 1 to 1000; times must be above 0")
        }
    }

    func run() throws {
        var settings = LoadSettings()
        settings.sessions = keepers
        settings.writers = 0
        settings.seed = seed
        settings.duration = .seconds(duration)
        settings.lagBound = .seconds(lagBound)
        settings.drainLimit = .seconds(drainLimit)
        settings.keeperFault = faultyKeeper
        try output.finish(try SpawnRun(settings, quiet: output.quiet).run())
    }
}
