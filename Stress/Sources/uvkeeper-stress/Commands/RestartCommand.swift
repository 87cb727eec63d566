import ArgumentParser

struct RestartCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart",
        abstract: "Kill a writing server by SIGKILL again and again; each next one finds the sessions and goes on.",
        discussion: """
            What the servers were told is kept in memory that outlives them, so every line of every server is checked. \
            Allowed then, and counted: lines a killed server had under way, for which nobody knows the outcome; they may be \
            cut, and be overtaken by lines of the next server.

              uvkeeper-stress restart --duration 60 --kill-interval 0.5
            """,
    )

    @OptionGroup var load: LoadOptions
    @OptionGroup var output: OutputOptions

    @Option(help: ArgumentHelp("How long.", valueName: "seconds"))
    var duration = 10.0

    @Option(help: ArgumentHelp("How long a server writes before it is killed, on average.", valueName: "seconds"))
    var killInterval = 1.0

    func validate() throws {
        guard duration > 0, killInterval > 0 else { throw ValidationError("times must be above 0") }
        guard load.lines == nil, load.faultyChild == .none else {
            throw ValidationError("restart runs for a time and takes no --lines or --faulty-child")
        }
    }

    func run() throws {
        let restarts = RestartRun(
            load.settings(duration: duration), serverOptions: load.arguments(rate: load.rate),
            interval: .seconds(killInterval), quiet: output.quiet)
        try output.finish(try restarts.run())
    }
}
