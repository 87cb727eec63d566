import ArgumentParser
import KeeperProtocol
import UVKeeper

struct AttachCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attach",
        abstract: "Talk to a session's child: lines in, output out, until Ctrl-D.",
        discussion: """
            Lines of stdin go to the child's stdin; what it writes comes out, stdout to stdout, stderr to stderr. Ctrl-D, or \
            the end of stdin, detaches; the session goes on. Ctrl-C ends this command, not the child.

              uvkeeper attach python                                type, and read
              uvkeeper attach work --last 2000                      with the end of what it has written before
              echo '2 ** 10' | uvkeeper attach python               ask by pipe
              uvkeeper attach sum --eof < words                     the end of stdin is the end of the child's input

            Input from a pipe or file may end long before the child has answered: then this command stays until nothing has \
            come for --quiet seconds. With --eof it stays until the session ends.

            Exits with 0 when detached; when the session ends, as its child did (its code; 128 and a signal's number; 2 if \
            nobody knows); with 1 if there is no such session or a line was refused, with 2 if nobody knows whether it arrived.

            With --json, output is printed as by uvkeeper read --json; the last object is {"detached":true} or {"exit":{...}}.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The session.", completion: .session, transform: SessionID.init)
    var session: SessionID

    @Option(
        help: ArgumentHelp(
            "Print first the last bytes of stdout and of stderr from before, this many of each.", valueName: "bytes"))
    var last: UInt64 = 0

    @Option(
        help: ArgumentHelp(
            "The time without output, after the end of stdin, after which this command detaches. Default: 1, and 0 for a "
                + "terminal.",
            valueName: "seconds"))
    var quiet: Double?

    @Flag(help: "End the child's input at the end of stdin, and stay until the session ends.")
    var eof = false

    func validate() throws {
        try NumberBounds.check(quiet, of: "--quiet", allowsZero: true)
        guard quiet == nil || !eof else {
            throw ValidationError("--eof stays until the session ends; give it or --quiet, one of the two")
        }
    }

    func run() throws {
        var attachment: Attachment?
        try shared.withManager(
            unreported: .unknownOutcome, isReading: { attachment?.isBusy ?? false }
        ) { manager, loop, done in
            let new = Attachment(
                to: manager.session(session), of: manager, endsInput: eof,
                quiet: .seconds(quiet ?? (Terminal.isTerminal(0) ? 0 : 1)), isJSON: shared.json, on: loop)
            attachment = new
            new.start(last: last) { end in report(end, manager, done) }
        }
    }

    private struct Ended: Encodable {
        var exit: SessionExit?
    }

    private func report(_ end: Attachment.End, _ manager: KeeperManager, _ done: (ExitCode) -> Void) {
        switch end {
        case .detached:
            if shared.json { Output.json(["detached": true]) }
            done(.success)
        case .sessionEnded(let exit):
            if shared.json { Output.json(Ended(exit: exit), hasRawBytes: false) }
            if !shared.json { Output.error("session \(session) has ended; \(SessionEnd.text(exit))") }
            done(SessionEnd.code(exit))
        case .notSent(let outcome):
            let explanation = SendExplanation(session: session, manager: manager)
            switch outcome {
            case .written, .sent: break
            case .refused(let failure): shared.report("refused: " + explanation.text(failure))
            case .unknown(let failure): shared.report("unknown: " + explanation.text(failure))
            }
            done(outcome.exitCode)
        case .failed(let error): shared.fail(SessionAbsence.explained(error, session, manager), done)
        case .noReader: done(.failure)
        }
    }
}
