import ArgumentParser
import KeeperProtocol
import UVKeeper

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Show every session, changing nothing.",
        discussion: """
            States: starting (the keeper has no child yet); live; child-dead (the keeper lives without its child); stale \
            (files of a dead keeper); undecided (something lives that cannot be shown to be a keeper). Memory is what is \
            held in RAM. A session that is starting has the labels that its keeper was started with; where the system \
            does not tell them, --label leaves it out, and says so.

              uvkeeper list
              uvkeeper list --label user=ann            those with that label
              uvkeeper list --ended                     those that have ended, the latest first, and how
              uvkeeper list --ended --json | jq .record.exit.code

            With --json, one object a session; for one that has ended, {"session","state":"ended","record"}.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Flag(help: "Show sessions that have ended and whose records were not pruned.")
    var ended = false

    @Option(
        name: .customLong("label"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Only sessions with this label; a name alone matches every value. If repeated, sessions that have all of them.",
            valueName: "name[=value]")
    )
    var labels: [LabelFilter] = []

    func run() throws {
        try shared.withManager { manager, loop, done in
            if ended {
                manager.listEnded { result in
                    switch result {
                    case .failure(let error): shared.fail(error, done)
                    case .success(let records):
                        show(records.filter { isWanted($0.labels) }, manager)
                        done(.success)
                    }
                }
            } else {
                manager.listKeepers { result in
                    switch result {
                    case .failure(let error): shared.fail(error, done)
                    case .success(let keepers):
                        show(keepers, manager, on: loop) {
                            ForeignSessions.report(in: manager.paths)
                            done(.success)
                        }
                    }
                }
            }
        }
    }

    private func isWanted(_ found: SessionLabels) -> Bool {
        labels.allSatisfy { $0.matches(found) }
    }

    private func show(
        _ all: [KeeperStatus], _ manager: KeeperManager, on loop: Loop, _ completion: @escaping () -> Void,
    ) {
        // Records are read only if they are needed.
        let found = all.map { keeper in
            shared.json || !labels.isEmpty ? Found(keeper, manager.session(keeper.session).record) : Found(keeper)
        }
        let keepers = labels.isEmpty ? found : found.filter { $0.labels.map(isWanted) ?? false }
        if !labels.isEmpty {
            let unknown = found.filter { $0.labels == nil }.map { "'\($0.keeper.session)'" }
            if !unknown.isEmpty {
                Output.error(
                    "left out: \(unknown.joined(separator: ", ")), still starting, whose labels are not known yet")
            }
        }
        if shared.json {
            return KillModeQuestion.complete(keepers.map { $0.record?.place ?? SessionPlace() }, on: loop) { places in
                for (session, place) in zip(keepers, places) {
                    Output.json(ListedSession(session.keeper, session.labels ?? [:], place))
                }
                completion()
            }
        }
        if keepers.isEmpty {
            Output.error("no sessions in \(manager.sessionsDirectory)" + (all.isEmpty ? "" : " with that label"))
        } else {
            show(keepers.map(\.keeper))
        }
        completion()
    }

    private func show(_ keepers: [KeeperStatus]) {
        Output.table(
            ["SESSION", "STATE", "KEEPER", "CHILD", "AGE", "KEEPER MEM", "CHILD MEM"],
            keepers.map { keeper in
                [
                    keeper.session.rawValue,
                    keeper.state.rawValue,
                    keeper.keeperPID.map(String.init) ?? "-",
                    keeper.childPID.map(String.init) ?? "-",
                    keeper.age.map(Output.age) ?? "-",
                    keeper.keeperMemory.map(Output.bytes) ?? "-",
                    keeper.childMemory.map(Output.bytes) ?? "-",
                ]
            },
            rightAligned: [2, 3, 4, 5, 6])
    }

    private func show(_ records: [SessionRecord], _ manager: KeeperManager) {
        if shared.json {
            for record in records { Output.json(EndedSession(record)) }
        } else if records.isEmpty {
            Output.error("no session that has ended in \(manager.sessionsDirectory)")
        } else {
            Output.table(
                ["SESSION", "STATUS", "ENDED", "HOW"],
                records.map { record in
                    [
                        record.session, record.exit?.shellStatus.map(String.init) ?? "-", record.exit?.at ?? "-",
                        SessionEnd.text(record.exit),
                    ]
                },
                rightAligned: [1])
        }
    }
}

/// A session in the list, with its record if that was read.
private struct Found {
    let keeper: KeeperStatus
    let record: SessionRecord?

    init(_ keeper: KeeperStatus, _ record: SessionRecord? = nil) {
        self.keeper = keeper
        self.record = record
    }

    /// The labels: those of the record, or, until a keeper that starts has written it, those that it was started with; nil if
    /// the system does not tell these.
    var labels: SessionLabels? {
        if let record { return record.labels }
        guard keeper.state == .starting else { return [:] }
        let environment = keeper.keeperPID.flatMap { ProcessDetails.environment(of: $0) }
        return environment.map { KeeperSettings(environment: $0.variables).labels }
    }
}

/// A label that a session must have: its name, and its value if one is given.
struct LabelFilter: ExpressibleByArgument {
    private let name: String
    private let value: String?

    init?(argument: String) {
        let label = Label(argument: argument)
        name = label?.name ?? argument
        value = label?.value
        guard !name.isEmpty, name.utf8.first != UInt8(ascii: "=") else { return nil }
    }

    func matches(_ labels: SessionLabels) -> Bool {
        if let value { labels.contains(name, value) } else { labels[name] != nil }
    }
}
