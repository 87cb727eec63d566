import ArgumentParser
import UVKeeper

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Show every session, changing nothing.",
        discussion: """
            States: live; child-dead (the keeper lives without its child); stale (files of a dead keeper); undecided \
            (something lives that cannot be shown to be a keeper). Memory is what is held in RAM.
            """,
    )

    @OptionGroup var shared: SharedOptions

    func run() throws {
        try shared.withManager { manager, loop, done in
            manager.listKeepers { result in
                switch result {
                case .failure(let error): shared.fail(error, done)
                case .success(let keepers):
                    shared.json ? keepers.forEach { Output.json(ListedSession($0)) } : show(keepers, manager)
                    ForeignSessions.report(in: manager.paths)
                    done(.success)
                }
            }
        }
    }

    private func show(_ keepers: [KeeperStatus], _ manager: KeeperManager) {
        guard !keepers.isEmpty else { return Output.error("no sessions in \(manager.sessionsDirectory)") }
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
}
