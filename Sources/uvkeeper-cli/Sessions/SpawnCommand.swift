import ArgumentParser
import KeeperProtocol
import UVKeeper

struct SpawnCommand: ParsableCommand {
    static let name = "spawn"

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Start a session: a keeper, and the command as its child.",
        discussion: """
            The command's stdin is the session: what is sent to it arrives there, line by line. The last 8 MiB of its stdout \
            and of its stderr are kept, for uvkeeper read, attach and request, also after its end; with --no-output they are \
            discarded, with --capture-output appended to the session's log instead.

              uvkeeper spawn work -- my-agent --stdio
              uvkeeper spawn work --cwd src --env DEBUG=1 --label user=ann -- my-agent
              uvkeeper spawn work --memory-max 8G --cpu-quota 150% -- my-agent
              uvkeeper spawn work --env PI_KEEPER_OUTPUT_MAX_BYTES=65536 -- my-agent

            A session that is started from a service of systemd gets a scope of its own, so that a stop or restart of the \
            service leaves it alone; uvkeeper status says where it is. --scope off keeps it in the service.

            Everything after -- belongs to the command, whatever it looks like, and reaches it unchanged, UTF-8 or \
            not. uvkeeper spawn waits until the child has run for 300 ms: a command that fails at once is reported as \
            failed, with the end of its stderr. Exits with 2 if the keeper runs and its session was not ready in \
            time: see uvkeeper list, uvkeeper logs.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Argument(
        help: "The session's name: 1 to 128 letters, digits, '.', '_', '-'; the first a letter or digit.",
        transform: SessionID.init)
    var session: SessionID

    @Option(
        help: ArgumentHelp("The child's working directory. Default: this one.", valueName: "dir"),
        completion: .directory)
    var cwd: String?

    @Option(
        name: .customLong("env"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Set a variable for the keeper and its child; may be repeated. PI_KEEPER_* are the keeper's own settings.",
            valueName: "name=value"))
    var variables: [String] = []

    @Flag(help: "Append the child's stdout and stderr to the session's log, and keep them nowhere else.")
    var captureOutput = false

    @Flag(help: "Keep nothing of the child's stdout and stderr.")
    var noOutput = false

    @Option(
        name: .customLong("label"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "A small text by which the session is found again (uvkeeper list --label); may be repeated.",
            valueName: "name=value"))
    var labels: [Label] = []

    @OptionGroup var group: GroupOptions

    @Flag(help: "Do not wait: report success as soon as the keeper has a pid.")
    var noWait = false

    @Option(help: ArgumentHelp("How long to wait for the session.", valueName: "seconds"))
    var timeout = 10.0

    @Argument(parsing: .postTerminator, help: "The command and its arguments, after --.")
    var command: [String] = []

    /// The time in milliseconds that the child has at each step of the session's end, unless a variable or `uvkeeper
    /// kill` says otherwise.
    private static let stopTime = "1000"
    /// The bytes kept of each stream, unless a variable says otherwise.
    private static let keptOutput = 8_388_608

    func validate() throws {
        guard let executable = command.first, !executable.isEmpty else {
            throw ValidationError("There is no command; give it after --, for instance: uvkeeper spawn work -- cat")
        }
        for variable in variables where SpawnCommand.parts(of: variable) == nil {
            throw ValidationError("--env takes NAME=VALUE, and '\(variable)' is none")
        }
        guard cwd != "" else {
            throw ValidationError("--cwd takes a directory, and was given an empty text; leave it out for this one")
        }
        try NumberBounds.check(timeout, of: "--timeout", allowsZero: false)
        guard !noOutput || !captureOutput else {
            throw ValidationError(
                "--capture-output wants the output in the log; give it or --no-output, one of the two")
        }
        try checkGroup()
    }

    /// Refuses variables of `--env` that contradict an option, or that the keeper could not read: it would say so in its
    /// log alone.
    private func checkGroup() throws {
        var given: [String: String] = [:]
        for (name, value) in variables.compactMap(SpawnCommand.parts) where KeeperVariable.ofGroup.contains(name) {
            given[name] = value
        }
        guard group.scope == nil || given[KeeperVariable.scope] == nil else {
            throw ValidationError(
                "--scope and --env \(KeeperVariable.scope)=... are the same setting; give it once")
        }
        if given[KeeperVariable.scope] == nil {
            // A malformed variable of this process is the keeper's to warn about, as for every server.
            given[KeeperVariable.scope] =
                (group.scope ?? ProcessEnvironment.current[KeeperVariable.scope].flatMap(ScopePolicy.init))?.rawValue
        }
        for (name, value) in group.limits.environment { given[name] = value }
        let warnings = KeeperSettings(environment: given).warnings
        guard warnings.isEmpty else {
            throw ValidationError("the keeper would go on with a warning: \(warnings.joined(separator: "; "))")
        }
    }

    func run() throws {
        var environment = ProcessEnvironment.current
        // A person who ends a keeper by hand means the session, whose child may have something to save.
        for variable in [KeeperVariable.stopEndOfInput, KeeperVariable.stopTerminate]
        where environment[variable] == nil {
            environment[variable] = SpawnCommand.stopTime
        }
        for variable in variables {
            if let (name, value) = SpawnCommand.parts(of: variable) { environment[name] = value }
        }
        let options = SpawnOptions(
            environment: environment,
            command: [command[0]],
            arguments: command.dropFirst() + Invocation.current.commandArguments,
            output: output(environment),
            labels: SessionLabels(labels.map { ($0.name, $0.value) }),
            scope: has(KeeperVariable.scope) ? nil : group.scope,
            limits: group.limits,
            readiness: noWait ? .started : .settled,
            deadline: .seconds(timeout),
        )
        try shared.withManager(unreported: .unknownOutcome) { manager, loop, done in
            let former = manager.session(session).record?.epoch
            manager.spawnKeeper(for: session, in: cwd ?? ".", options) { result in
                switch result {
                case .failure(.keeperEnded(let status, let log)):
                    let error = KeeperError.keeperEnded(status, log: log)
                    // A keeper that ended before it had a record has left a former life's.
                    let exit = manager.session(session).record.flatMap { $0.epoch == former ? nil : $0.exit }
                    let isDiscarded = options.output == .discarded
                    shared.fail(StartFailure(error, log: log, exit: exit, session, isDiscarded: isDiscarded), done)
                case .failure(let error):
                    let runsOn = if case .notReady = error { true } else { false }
                    shared.fail(error, as: runsOn ? .unknownOutcome : .failure, done)
                case .success(let keeper):
                    report(keeper, childPID: manager.status(of: session)?.childPID)
                    done(.success)
                }
            }
        }
    }

    /// The output by the options. An option overrides a variable of this process, and `--env` overrides both.
    private func output(_ environment: ProcessEnvironment) -> SpawnOutput? {
        let name = KeeperVariable.outputMaximumBytes
        if has(name) { return nil }
        if noOutput { return .discarded }
        if captureOutput { return .captured }
        let isSaid = environment[name] != nil || environment[KeeperVariable.captureOutput] == "1"
        return isSaid ? nil : .kept(bytes: SpawnCommand.keptOutput)
    }

    /// True if `--env` sets a variable.
    private func has(_ name: String) -> Bool { variables.contains { SpawnCommand.parts(of: $0)?.name == name } }

    /// The name and the value; nil if the name is empty, or there is none. Bytes are split: an equals sign with a
    /// combining accent is none as a Character, but one to the system.
    private static func parts(of variable: String) -> (name: String, value: String)? {
        let bytes = variable.utf8
        guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > bytes.startIndex else { return nil }
        return (String(variable[..<equals]), String(Substring(bytes[bytes.index(after: equals)...])))
    }

    private func report(_ keeper: SpawnedKeeper, childPID: Int32?) {
        if shared.json {
            Output.json(
                ListedSession(
                    session: session.rawValue, state: nil, keeperPID: keeper.pid, childPID: childPID,
                    socket: keeper.socketPath))
        } else {
            let child = childPID.map { ", child \($0)" } ?? ""
            Output.line("session \(session): keeper \(keeper.pid)\(child), socket \(keeper.socketPath)")
        }
    }
}

/// A session that ended right after its start, with advice if its log gives a hint.
private struct StartFailure: Error, CustomStringConvertible {
    let description: String

    /// - Parameters:
    ///   - exit: the end of the session by its record.
    ///   - isDiscarded: true if the child's output was discarded.
    init(_ error: KeeperError, log: [String], exit: SessionExit?, _ session: SessionID, isDiscarded: Bool) {
        var text = "\(error)"
        let words = SessionEnd.lastWords(exit)
        if !words.isEmpty { text += "\nits stderr ends:" + words }
        if exit?.reason ?? .exited == .exited, log.contains(where: { $0.contains("pi exited code=0 ") }) {
            text +=
                "\nthe command ended with 0 at once: does it put itself into the background? A session is a command that "
                + "stays in the foreground and reads its stdin"
        }
        if let output = exit?.output?.out, output.end > 0 {
            text += "\nuvkeeper read \(session) shows what it wrote to stdout"
        }
        if isDiscarded, log.contains(where: { $0.contains("pi exited ") }) {
            text += "\nits own words were discarded: without --no-output they are kept"
        }
        description = text
    }
}
