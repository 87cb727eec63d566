import ArgumentParser
import UVKeeper

struct SendCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send",
        abstract: "Write a line, or every line of stdin, to a session's child.",
        discussion: """
            With LINE, that line is written in up to three attempts within 1.25 seconds. Without, every line of stdin is \
            written over one connection, as fast as the child reads; only a keeper that takes nothing for --timeout \
            seconds ends it.

            Exits with 0 when the child's stdin has taken everything, 1 when nothing was handed over (send it again if you \
            like), 2 when something was handed over and not confirmed: it may or may not arrive.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The session.", transform: SessionID.init)
    var session: SessionID

    @Argument(help: "The line, without its newline. Default: the lines of stdin.")
    var line: String?

    @Option(
        help: ArgumentHelp("For stdin: how long the keeper may take nothing. Default: 30.", valueName: "seconds"))
    var timeout: Double?

    func validate() throws {
        guard (timeout ?? 1) > 0, (timeout ?? 1) < 1e6 else {
            throw ValidationError("--timeout takes seconds, more than 0")
        }
        guard line == nil || timeout == nil else {
            throw ValidationError("--timeout is for stdin; a LINE has three attempts within 1.25 seconds")
        }
    }

    func run() throws {
        try shared.run(unreported: .unknownOutcome) { manager, loop, done in
            if let line {
                let bytes = line.utf8.count + (line.utf8.last == UInt8(ascii: "\n") ? 0 : 1)
                let lines = line.utf8.dropLast().count { $0 == UInt8(ascii: "\n") } + 1
                manager.writeRPC(line, to: session.rawValue) { outcome in
                    report(outcome, lines: lines, bytes: UInt64(bytes), manager, done)
                }
                return
            }
            let path = manager.paths.socket(for: session)
            let sender = StreamSender(to: path, on: loop, timeout: .seconds(timeout ?? 30)) { outcome, lines, bytes in
                report(outcome, lines: lines, bytes: bytes, manager, done)
            }
            sender.start()
        }
    }

    private func report(
        _ outcome: WriteOutcome, lines: Int, bytes: UInt64, _ manager: KeeperManager, _ done: (ExitCode) -> Void,
    ) {
        let (name, reason, code): (String, String?, ExitCode) =
            switch outcome {
            case .written: ("written", nil, .success)
            case .refused(let error): ("refused", explain(error, manager), .failure)
            case .unknown(let error): ("unknown", explain(error, manager), .unknownOutcome)
            }
        if shared.json {
            Output.json(SendRecord(outcome: name, lines: lines, bytes: bytes, reason: reason))
        } else if let reason {
            Output.error("\(name): \(reason)")
        } else if line == nil {
            Output.error("\(lines) lines, \(Output.bytes(bytes)) written")
        }
        done(code)
    }

    /// A keeper this old has published its socket.
    private static let longestStart = Duration.seconds(1)

    /// The error, and what else is known of its cause.
    private func explain(_ error: KeeperError, _ manager: KeeperManager) -> String {
        switch error {
        case .connection(_, .noEntry), .connection(_, .connectionRefused):
            guard let keeper = manager.status(of: session.rawValue), keeper.state == .live else { return "\(error)" }
            let process = keeper.keeperPID.map { ", process \($0)," } ?? ""
            guard keeper.age ?? .zero > SendCommand.longestStart else {
                return "\(error); its keeper\(process) is starting"
            }
            return "\(error); its keeper\(process) lives, and nothing can reach it: uvkeeper kill \(session)"
        case .connection(_, .connectionReset), .connection(_, .brokenPipe):
            return "\(error); uvkeeper logs \(session) may tell why"
        default: return "\(error)"
        }
    }
}

/// What was sent, as JSON.
private struct SendRecord: Encodable {
    var outcome: String
    var lines: Int
    var bytes: UInt64
    var reason: String?
}
