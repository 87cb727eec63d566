import ArgumentParser

struct WritesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "writes",
        abstract: "Write lines to many sessions and check each one where it arrives. No faults.",
        discussion: """
              uvkeeper-stress writes                                        10 s, as fast as it goes
              uvkeeper-stress writes --rate 2000 --duration 60              open loop: stalls are not hidden
              uvkeeper-stress writes --connect pipelined --size 64..1M      megabytes per second
            """,
    )

    @OptionGroup var load: LoadOptions
    @OptionGroup var output: OutputOptions

    @Option(help: ArgumentHelp("How long to write.", valueName: "seconds"))
    var duration = 10.0

    func run() throws {
        let runner = Runner("writes", load.settings(duration: duration), quiet: output.quiet)
        try output.finish(try runner.run())
    }
}
