import ArgumentParser

struct SoakCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "soak",
        abstract: "A moderate mixed load for as long as asked, to see whether anything grows.",
        discussion: """
            Open loop, 500 lines per second unless told otherwise, half the sessions pipelined. Memory, descriptors, handles \
            and loop lag are sampled; memory, descriptors or handles that keep growing break an invariant.

              uvkeeper-stress soak --duration 3600 --report soak.html
            """,
    )

    @OptionGroup var load: LoadOptions
    @OptionGroup var output: OutputOptions

    @Option(help: ArgumentHelp("How long.", valueName: "seconds"))
    var duration = 10.0

    func run() throws {
        var settings = load.settings(duration: duration)
        if settings.rate == nil { settings.rate = 500 }
        if load.connect == nil { settings.connecting = .mixed }
        let runner = Runner("soak", settings, quiet: output.quiet)
        runner.conclude = { engine, result, violations in
            Growth.check(engine.series.samples, into: &violations, notes: &result.notes)
        }
        try output.finish(try runner.run())
    }
}
