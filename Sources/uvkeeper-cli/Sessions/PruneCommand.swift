import ArgumentParser
import UVKeeper

struct PruneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Remove what sessions that have ended have left: records, output and logs.",
        discussion: """
            A server that looks for its sessions prunes by itself, once an hour at most: sessions that ended more \
            than seven days ago, and all but the latest 1,000.

              uvkeeper prune                 with these limits
              uvkeeper prune --days 0.5      what ended more than twelve hours ago
              uvkeeper prune --keep 0        all of it

            Sessions that run are left alone. With --json, {"sessions":[...],"bytesFreed":4096}.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Option(help: ArgumentHelp("The least time since a session's end, in days.", valueName: "days"))
    var days = 7.0

    @Option(help: ArgumentHelp("The most ended sessions that are kept, the latest.", valueName: "count"))
    var keep = KeeperManager.keptEndedSessions

    private struct Pruned: Encodable {
        var sessions: [String]
        var bytesFreed: UInt64
    }

    func validate() throws {
        try NumberBounds.check(days, of: "--days", "a number", allowsZero: true)
        guard keep >= 0 else { throw ValidationError("--keep takes a number, 0 or more") }
    }

    func run() throws {
        try shared.withManager(unreported: .unknownOutcome) { manager, loop, done in
            manager.prune(olderThan: .seconds(days * 86_400), keeping: keep) { result in
                switch result {
                case .failure(let error): return shared.fail(error, done)
                case .success(let pruned) where shared.json:
                    Output.json(Pruned(sessions: pruned.sessions.map(\.rawValue), bytesFreed: pruned.bytesFreed))
                case .success(let pruned):
                    for session in pruned.sessions { Output.line("session \(session): pruned") }
                    let count = Output.count(pruned.sessions.count, "session")
                    Output.error("\(count) pruned, \(Output.bytes(pruned.bytesFreed)) freed")
                }
                done(.success)
            }
        }
    }
}
