import ArgumentParser
import KeeperProtocol
import UVKeeper

struct RequestCommand: ParsableCommand {
    static let name = "request"

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Send a line to a session's child, and print what it answers.",
        usage: "uvkeeper request [<options>] <session> <line>",
        discussion: """
            The answer is the next line that the child ends on stdout, without what it wrote of that line before, for instance \
            a prompt; with --id, the JSON-RPC answer with that id, whatever else comes before it. An answer longer than the \
            output that the session keeps (PI_KEEPER_OUTPUT_MAX_BYTES when it is started, else 8 MiB) may be lost.

              uvkeeper request calc '1 + 2'
              uvkeeper request mcp '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' --id 1
              uvkeeper request mcp "$call" --id "$n" --timeout 5 | jq .result

            LINE is one argument: the one after the session, whatever it begins with, as for uvkeeper send.

            Exits with 0 if there is an answer; 3 if it is a JSON-RPC error, which is printed too; 124 if the line was \
            delivered and no answer came in time; 1 if the line was not delivered, or the session ended before it answered; 2 \
            if nobody knows whether it was delivered.

            With --json, {"answer":"...","offset":512}: the line without its end, as "base64" in place of "answer" if it is no \
            UTF-8, and where it begins in stdout.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The session.", completion: .session, transform: SessionID.init)
    var session: SessionID

    @Argument(help: "The line, without its newline.")
    var line: String

    @Argument(help: .hidden)
    var surplus: [String] = []

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The id of the answer: 7 is a number or a string, \"7\" in double quotes a string only.", valueName: "id"))
    var id: String?

    @Option(help: ArgumentHelp("How long to wait for the answer.", valueName: "seconds"))
    var timeout = 30.0

    func validate() throws {
        guard surplus.isEmpty else {
            throw ValidationError(
                "LINE is one argument, and there are \(surplus.count + 1) after the session; quote it, for instance: "
                    + "uvkeeper request \(session) 'several words'. Options go before the session")
        }
        try NumberBounds.check(timeout, of: "--timeout", allowsZero: false)
    }

    func run() throws {
        try shared.withManager(unreported: .unknownOutcome) { manager, loop, done in
            let exchange = Exchange(
                RawText.bytes(of: line), with: manager.session(session), of: manager, id: id.map { AnswerID($0) },
                timeout: .seconds(timeout), on: loop)
            exchange.start { outcome in report(outcome, manager, done) }
        }
    }

    private func report(_ outcome: Exchange.Outcome, _ manager: KeeperManager, _ done: (ExitCode) -> Void) {
        switch outcome {
        case .answered(let line, let offset, let isError):
            if shared.json {
                Output.json(AnswerRecord(line, offset: offset), hasRawBytes: false)
            } else {
                Output.raw(line + [UInt8(ascii: "\n")])
            }
            done(isError ? .answeredByError : .success)
        case .notSent(let outcome):
            let explanation = SendExplanation(session: session, manager: manager)
            switch outcome {
            case .written, .sent: preconditionFailure("a line that was handed over is waited for")
            case .refused(let failure): shared.report("not delivered: " + explanation.text(failure))
            case .unknown(let failure): shared.report("unknown whether it arrived: " + explanation.text(failure))
            }
            done(outcome.exitCode)
        case .sessionEnded(let exit):
            shared.report(
                "session \(session) ended before it answered; " + SessionEnd.text(exit) + SessionEnd.lastWords(exit))
            done(.failure)
        case .unreadable(let error): shared.fail(SessionAbsence.explained(error, session, manager), done)
        case .noOutput:
            shared.report("session \(session) keeps no output, so no answer can be read; start it without --no-output")
            done(.failure)
        case .noAnswer(let lost):
            let gone = "; \(Output.bytes(lost)) that it wrote were gone before they could be read, more than is kept"
            shared.report(
                "session \(session) has the line, and has not answered within \(timeout) seconds"
                    + (lost > 0 ? gone : ""))
            done(.timedOut)
        }
    }
}
