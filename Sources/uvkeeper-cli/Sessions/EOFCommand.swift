import ArgumentParser
import UVKeeper

struct EOFCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eof",
        abstract: "End the input of a session's child, after all lines that were sent so far.",
        discussion: """
            The session goes on until its child has ended; later lines are refused.

              uvkeeper spawn sum -- sh -c 'sort | uniq -c'
              uvkeeper send sum < words
              uvkeeper eof sum
              uvkeeper wait sum && uvkeeper read sum

            Exits with 1 if there is no such session, or its keeper cannot do it.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The session.", completion: .session, transform: SessionID.init)
    var session: SessionID

    func run() throws {
        try shared.withManager(unreported: .unknownOutcome) { manager, loop, done in
            manager.session(session).endInput { result in
                shared.report(
                    result, of: session, as: "input-ended", "its child's input ends after the lines sent so far",
                    manager, done)
            }
        }
    }
}
