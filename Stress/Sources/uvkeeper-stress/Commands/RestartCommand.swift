import ArgumentParser

struct RestartCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart",
        abstract: "Kill a writing server by SIGKILL again and again; each next one finds the sessions and goes on.",
        discussion: """
            What the servers were told, and which numbers they have given out, is kept in memory that outlives them, so every \
            line of every server is checked. Each one goes on under the same writer's name: of the lines that a killed server \
            had under way it learns what became of them, and sends again those that the keeper has not taken. None may be \
            lost, doubled or late. Lines wait as long as their session lives, whatever --connect says.

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
