import ArgumentParser
import UVKeeper

struct SendCommand: ParsableCommand {
    static let name = "send"

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Write a line, or every line of stdin, to a session's child.",
        usage: "uvkeeper send [<options>] <session> [<line>]",
        discussion: """
            LINE is written in up to three attempts within 1.25 seconds; with --timeout, it waits so long for the \
            child. Without LINE, every line of stdin is written, as fast as the child reads; the command gives up \
            only if the child takes nothing for --timeout seconds. A broken connection is made anew, and no line \
            arrives twice.

              uvkeeper send work '{"method":"ping"}'      one line
              uvkeeper send work < requests.jsonl         every line of a file
              tail -f events | uvkeeper send work         as they come

            LINE is one argument: the one after the session, whatever it begins with ('- fix the tests', '--- \
            a/file', -h). Options go before the session or after LINE. Quote several words: uvkeeper send work 'several words'. The \
            line '--' needs another before it: uvkeeper send work -- --. A newline is added; bytes that are not UTF-8 \
            are sent as they are.

            Exits with 0 if the child's stdin pipe has everything (or, for a keeper without a channel, the keeper); 1 \
            if the first line, or every line after those that are named, does not arrive, and can be sent again; 2 if \
            a line was handed over and not confirmed: it may or may not arrive.

            With --json, {"outcome":"written","lines":3,"bytes":42}: "written", "refused" or "unknown", or "sent" if the \
            keeper of a line has no channel, as an original's has none, and cannot say whether the pipe has it; the lines and \
            bytes that were written or sent; and for a failure the "reason".
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The session.", completion: .session, transform: SessionID.init)
    var session: SessionID

    @Argument(help: "The line, without its newline. Default: the lines of stdin.")
    var line: String?

    @Argument(help: .hidden)
    var surplus: [String] = []

    @Option(
        help: ArgumentHelp(
            "The longest time in which a busy child takes nothing. Default: 30 for stdin; three quick attempts "
                + "for LINE.",
            valueName: "seconds"))
    var timeout: Double?

    @Option(
        help: ArgumentHelp(
            "The longest line, newline included; a longer one is refused before a byte of it leaves. For sessions with "
                + "another PI_KEEPER_MAX_LINE_BYTES.",
            valueName: "bytes"))
    var maxLine = KeeperConstants.defaultMaximumLineLength

    func validate() throws {
        guard surplus.isEmpty else {
            throw ValidationError(
                "LINE is one argument, and there are \(surplus.count + 1) after the session; quote it, for instance: "
                    + "uvkeeper send \(session) 'several words'. Options go before the session")
        }
        try NumberBounds.check(timeout, of: "--timeout", allowsZero: false)
        guard maxLine > 0 else { throw ValidationError("--max-line takes bytes, more than 0") }
    }

    func run() throws {
        var sender: StreamSender?
        try shared.withManager(
            unreported: .unknownOutcome, maximumLineLength: maxLine, isReading: { sender?.isReading ?? false }
        ) { manager, loop, done in
            let bytes = line.map { RawText.bytes(of: $0) }
            if let bytes, timeout == nil {
                let count = bytes.count + (bytes.last == UInt8(ascii: "\n") ? 0 : 1)
                let lines = bytes.dropLast().count { $0 == UInt8(ascii: "\n") } + 1
                manager.session(session).write(bytes) { outcome in
                    let outcome = SendOutcome(outcome)
                    let isHandedOver = outcome.exitCode == .success
                    report(
                        outcome, lines: isHandedOver ? lines : 0, bytes: isHandedOver ? UInt64(count) : 0,
                        SendExplanation(session: session, manager: manager), done)
                }
                return
            }
            let stream = StreamSender(
                bytes, to: manager.session(session), of: manager, on: loop, timeout: .seconds(timeout ?? 30),
                maximumLineLength: maxLine
            ) { outcome, lines, bytes in
                let explanation = SendExplanation(
                    session: session, manager: manager, isConfirmed: sender?.isConfirmed ?? true)
                report(outcome, lines: lines, bytes: bytes, explanation, done)
            }
            sender = stream
            stream.start()
        }
    }

    private func report(
        _ outcome: SendOutcome, lines: Int, bytes: UInt64, _ explanation: SendExplanation, _ done: (ExitCode) -> Void,
    ) {
        let (name, reason): (String, String?) =
            switch outcome {
            case .written: ("written", nil)
            case .sent: ("sent", nil)
            case .refused(let failure): ("refused", explanation.text(failure, written: line == nil ? lines : 0))
            case .unknown(let failure): ("unknown", explanation.text(failure, written: line == nil ? lines : 0))
            }
        if shared.json {
            Output.json(SendRecord(outcome: name, lines: lines, bytes: bytes, reason: reason))
        } else if let reason {
            Output.error("\(name): \(reason)")
        } else if line == nil {
            Output.error("\(Output.count(lines, "line")), \(Output.bytes(bytes)) \(name)")
        }
        done(outcome.exitCode)
    }
}

/// The outcome of a send, as JSON.
private struct SendRecord: Encodable {
    var outcome: String
    var lines: Int
    var bytes: UInt64
    var reason: String?
}
