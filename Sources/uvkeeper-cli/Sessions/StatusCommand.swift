import ArgumentParser
import KeeperProtocol
import UVKeeper

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show what is going on in a session, or how it ended.",
        discussion: """
            The keeper answers at once, also while its child does not read: "queued" then tells what waits for the \
            child.

              uvkeeper status work
              uvkeeper status work --json
              uvkeeper status work > /dev/null && uvkeeper send work hello

            Exits with 0 if the session runs, 3 if it has ended, 1 if there is no such session, or nobody can tell.

            With --json, the keeper's status as it is; for a session that has ended, \
            {"session","state":"ended","record"}; for a keeper without a channel, the object that uvkeeper list \
            prints.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The session.", completion: .session, transform: SessionID.init)
    var session: SessionID

    func run() throws {
        try shared.withManager { manager, loop, done in
            let session = manager.session(session)
            guard manager.status(of: session.id).map({ $0.state != .stale }) ?? false else {
                return showEnded(session, manager, done)
            }
            session.status { result in
                switch result {
                case .success(let status):
                    KillModeQuestion.complete([status.place], on: loop) { places in
                        var status = status
                        status.place = places[0]
                        shared.json ? Output.json(status) : show(SessionText.rows(of: status))
                        done(.success)
                    }
                case .failure(.noChannel): showListed(manager, done)
                case .failure(.sessionEnded): showEnded(session, manager, done)
                case .failure(let error):
                    // The session may have ended just now.
                    if manager.mayBeAlive(session.id) {
                        return shared.fail(SessionAbsence.explained(error, session.id, manager), done)
                    }
                    showEnded(session, manager, done)
                }
            }
        }
    }

    private func showEnded(_ session: Session, _ manager: KeeperManager, _ done: (ExitCode) -> Void) {
        guard let record = session.record else {
            return shared.fail(KeeperError.connection(manager.paths.socket(for: session.id), .noEntry), done)
        }
        shared.json ? Output.json(EndedSession(record)) : show(SessionText.rows(of: record))
        done(.hasEnded)
    }

    /// Shows the facts known about a keeper without a channel.
    private func showListed(_ manager: KeeperManager, _ done: (ExitCode) -> Void) {
        guard let status = manager.status(of: session) else {
            return shared.fail(KeeperError.sessionEnded(session), done)
        }
        shared.json ? Output.json(ListedSession(status)) : show(SessionText.rows(of: status))
        done(.success)
    }

    private func show(_ rows: [(name: String, value: String)]) {
        let width = rows.map(\.name.count).max() ?? 0
        for (name, value) in rows {
            Output.line(name + String(repeating: " ", count: width + 2 - name.count) + value)
        }
    }
}
