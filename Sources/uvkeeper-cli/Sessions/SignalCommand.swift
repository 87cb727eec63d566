import ArgumentParser
import KeeperProtocol
import UVKeeper

struct SignalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "signal",
        abstract: "Send a signal to a session's child, and to nobody else.",
        discussion: """
              uvkeeper signal work INT      as Ctrl-C would
              uvkeeper signal work HUP      reload, for many programs

            What the child has started gets nothing; uvkeeper kill ends all of it. Exits with 1 if there is no such session, or \
            the signal could not be sent.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The session.", completion: .session, transform: SessionID.init)
    var session: SessionID

    @Argument(
        help: ArgumentHelp("One of \(SignalName.list); with or without SIG, in any case.", valueName: "name"),
        completion: .list(SignalName.all),
        transform: SignalCommand.signal)
    var signal: Signal

    private static func signal(_ text: String) throws -> Signal {
        // A letter such as the dotless i has an ASCII one in upper case.
        let name = text.allSatisfy(\.isASCII) ? text.uppercased() : text
        guard let signal = SignalName.signal(name.hasPrefix("SIG") ? String(name.dropFirst(3)) : name) else {
            throw ValidationError(
                "'\(text)' is no signal that a session's child can be sent; there are \(SignalName.list)")
        }
        return signal
    }

    func run() throws {
        try shared.withManager(unreported: .unknownOutcome) { manager, loop, done in
            manager.session(session).signal(signal) { result in
                shared.report(result, of: session, as: "signalled", "\(signal) sent to its child", manager, done)
            }
        }
    }
}
