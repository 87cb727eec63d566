import ArgumentParser
import UVKeeper

struct ChaosCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chaos",
        abstract:
            "Write lines and read output while servers, keepers and children are killed, files damaged, resources exhausted.",
        discussion: """
            Faults are drawn from a schedule that follows from --seed, one at a time for a session, and logged with their \
            time: \(FaultInjector.kinds.map(\.rawValue).joined(separator: ", ")). A process of the run that waits long for \
            a processor counts as one too, machine-stalled.

            Half of the lines come from this process, half from a server in a process of its own, which is killed and \
            started again, and goes on under its writer's name with its journal; --writers and --lines count for each of the \
            two. The run ends after --duration, or earlier when every writer has sent its --lines.

            The children answer each line, and flood now and then; keepers keep \(LoadSettings.keptOutput / 1024) KiB of each \
            stream. Of each session both servers have --readers, one of this process following from the start of each life, \
            and this process has one more that speaks to the channel itself, which is frozen and cut. A driven server's \
            readers go on where those of the killed one stopped. With --readers 0 there is no output, and no fault of it.

            Each fault excuses what it can cause and no more, and its count of excused lines is in the \
            report: acknowledged lines in the pipe of a killed child are lost, up to what that holds; lines that were handed \
            over by the raw socket, with their keeper, too. A line with attempts is refused or unknown when it has waited \
            for all of them, or for its time; a line that waits as long as its session lives, only if that has ended, in a \
            killed server neither: the next one learns what became of it, or sends it again. A client of the raw socket that \
            disconnects in mid-line leaves a fragment, one of the channel none; output is gone that a keeper with a full disk \
            or without a descriptor could not write. A start of a keeper may fail while there is no descriptor, or while the \
            child of a killed keeper still runs. One line in \(ChaosCommand.longLineInterval) has 256 KiB to 1 MiB, more than \
            a connection takes at once, whatever --size says.

              uvkeeper-stress chaos --seed 7 --duration 60 --report chaos.html
              uvkeeper-stress chaos --faults keeper-killed,child-stopped
            """,
    )

    @OptionGroup var load: LoadOptions
    @OptionGroup var output: OutputOptions

    @Option(help: ArgumentHelp("How long.", valueName: "seconds"))
    var duration = 10.0

    @Option(help: ArgumentHelp("The time between two faults, on average.", valueName: "seconds"))
    var faultInterval = 0.25

    @Option(help: ArgumentHelp("Only these, separated by commas.", valueName: "kinds"))
    var faults: String?

    /// True to end only when every planned fault has been injected; for tests, on machines however slow.
    @Flag(help: .hidden)
    var allFaults = false

    @Option(help: .hidden)
    var faultyDiscovery = Discoverer.Kind.honest

    /// The interval of lines so long that a frozen keeper's connection takes only a part, which must not be sent again.
    private static let longLineInterval = 400
    private static let readers = 2

    func validate() throws {
        for name in faults?.split(separator: ",") ?? []
        where !FaultInjector.kinds.contains(where: { $0.rawValue == name }) {
            throw ValidationError(
                "--faults: there is no '\(name)'; there are \(FaultInjector.kinds.map(\.rawValue).joined(separator: ", "))"
            )
        }
        if load.readers == 0, let kind = FaultInjector.kinds.first(where: { $0.needsReaders && isWanted($0) }) {
            throw ValidationError("--faults \(kind.rawValue) needs --readers")
        }
        guard faultInterval > 0, duration > 0 else { throw ValidationError("times must be above 0") }
    }

    private func isWanted(_ kind: FaultRecord.Kind) -> Bool {
        faults?.split(separator: ",").contains { $0 == kind.rawValue } ?? false
    }

    func run() throws {
        var settings = load.settings(duration: duration)
        settings.discoveryFault = faultyDiscovery
        if load.connect == nil { settings.connecting = .mixed }
        settings.longLineInterval = load.longLines ?? ChaosCommand.longLineInterval
        // An open loop leaves the machine room to show the outcomes, which chaos is about.
        let rate = load.rate ?? 2000
        settings.readers = load.readers ?? ChaosCommand.readers
        let kinds =
            faults?.split(separator: ",").compactMap { FaultRecord.Kind(rawValue: String($0)) }
            ?? FaultInjector.kinds.filter { settings.readers > 0 || !$0.needsReaders }
        let isDriven = kinds.contains(.serverKilled)
        settings.rate = isDriven ? rate / 2 : rate
        settings.drivenWriters = isDriven ? load.writers : 0
        settings.drivenReaders = isDriven ? settings.readers : 0
        let runner = Runner("chaos", settings, quiet: output.quiet)
        runner.addFaults(
            kinds, waits: allFaults, interval: .seconds(faultInterval),
            serverOptions: isDriven ? load.arguments(rate: rate / 2, longLines: settings.longLineInterval) : nil)
        try output.finish(try runner.run())
    }
}

extension Runner {
    /// Injects faults of these kinds while lines are written.
    ///
    /// - Parameters:
    ///   - waits: true to continue the load until every planned fault has been injected.
    ///   - options: the load of a server in another process; nil for no server.
    func addFaults(_ kinds: [FaultRecord.Kind], waits: Bool, interval: Duration, serverOptions options: [String]?) {
        let settings = settings
        prepare = { [progress] engine in
            engine.restartsKeepers = true
            if let options {
                engine.server = try DrivenServer(
                    engine.run, ledgers: engine.sessions.flatMap(\.driven),
                    options: options + [
                        "--guest", "--first-writer", "\(settings.writers)", "--readers", "\(settings.readers)",
                        "--first-reader", "\(settings.readers)",
                    ],
                    linesPerWriter: settings.linesPerWriter, clock: engine.clock, on: engine.loop)
            }
            let plan = FaultInjector.plan(
                seed: settings.seed, kinds: kinds, sessions: settings.sessions, duration: settings.duration,
                interval: interval)
            let injector = FaultInjector(engine, plan: plan) { record in
                let session = record.session.map { " session \($0)" } ?? ""
                progress.say(
                    "\(Texts.decimal(Double(record.start) / 1e6)) s: \(record.kind.rawValue)\(session) \(record.note)")
            }
            engine.onStart = { injector.start() }
            if waits { engine.isWaiting = { injector.skipped > 0 } }
            engine.onEnd = {
                injector.finish()
                if injector.skipped > 0 {
                    engine.notes.append("\(injector.skipped) planned faults were not injected: no time or not possible")
                }
            }
        }
    }
}
