import ArgumentParser
import KeeperProtocol
import UVKeeper

struct LabelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "label",
        abstract: "Show, set and remove a session's labels: small texts by which it is found again.",
        discussion: """
              uvkeeper label work                          what there is
              uvkeeper label work user=ann project=web     set two
              uvkeeper label work project=                 remove one
              uvkeeper list --label user=ann               find it

            A label's name has up to 64 bytes, its value up to 1,024; there are 64 labels at most. They stay in the session's \
            record after its end. Exits with 1 if there is no such session, or the labels are too many or too long.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The session.", completion: .session, transform: SessionID.init)
    var session: SessionID

    @Argument(help: ArgumentHelp("A label; without a value it is removed.", valueName: "name=value"))
    var labels: [Label] = []

    private struct Labels: Encodable {
        var session: String
        var labels: SessionLabels
    }

    func run() throws {
        try shared.withManager(unreported: labels.isEmpty ? .failure : .unknownOutcome) { manager, loop, done in
            let session = manager.session(session)
            guard !labels.isEmpty else { return show(session, manager, done) }
            session.label(labels.map { ($0.name, $0.value.isEmpty ? nil : $0.value) }) { result in
                switch result {
                case .failure(let error): shared.fail(SessionAbsence.explained(error, session.id, manager), done)
                case .success: show(session, manager, done)
                }
            }
        }
    }

    /// Shows the labels in the record, which has them before the keeper answers; a keeper that starts, and has no record
    /// yet, is asked.
    private func show(_ session: Session, _ manager: KeeperManager, _ done: @escaping (ExitCode) -> Void) {
        if let record = session.record { return show(record.labels, done) }
        session.status { result in
            switch result {
            case .success(let status): show(status.labels, done)
            case .failure(.noChannel): shared.fail(KeeperError.noChannel(session.id, "have labels"), done)
            case .failure(let error): shared.fail(SessionAbsence.explained(error, session.id, manager), done)
            }
        }
    }

    private func show(_ labels: SessionLabels, _ done: (ExitCode) -> Void) {
        if shared.json {
            Output.json(Labels(session: session.rawValue, labels: labels))
        } else {
            for (name, value) in labels { Output.line("\(name)=\(value)") }
        }
        done(.success)
    }
}

/// A label as written on the command line: name=value.
struct Label: ExpressibleByArgument, Hashable {
    let name: String
    let value: String

    init?(argument: String) {
        // Bytes are split: an equals sign with a combining accent is none as a Character.
        guard let equals = argument.utf8.firstIndex(of: UInt8(ascii: "=")), equals > argument.utf8.startIndex else {
            return nil
        }
        name = String(argument[..<equals])
        value = String(Substring(argument.utf8[argument.utf8.index(after: equals)...]))
    }
}
