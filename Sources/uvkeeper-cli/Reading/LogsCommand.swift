import ArgumentParser
import UVKeeper

struct LogsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs",
        abstract: "Print a session's log: the keeper's own lines, and its child's output if that is captured.",
        discussion: """
            With --json, one object per line: the text, and the time if the line is the keeper's. A line over 16 MiB \
            is cut, and has "cut":true. Holes of the log, which nobody has written to, are left out; with --follow they \
            are zero bytes.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The session.", completion: .session, transform: SessionID.init)
    var session: SessionID

    @Flag(name: [.short, .long], help: "Go on printing what is added, until interrupted, or nobody reads it.")
    var follow = false

    @Option(
        name: [.customShort("n"), .long],
        help: ArgumentHelp("Print only this many lines, the last.", valueName: "count"))
    var lines: Int?

    @Flag(help: "Print the launch log instead: what the keeper said before its own log was open.")
    var launch = false

    func validate() throws {
        if let lines, lines < 0 { throw ValidationError("--lines takes a number, 0 or more") }
    }

    func run() throws {
        try shared.withManager { manager, loop, done in
            let path = launch ? manager.paths.launchLog(for: session) : manager.paths.log(for: session)
            let follower = LogFollower(path: path, isJSON: shared.json)
            if follow {
                self.follow(follower, path, manager, loop, done)
            } else {
                do throws(UVError) {
                    try follower.printExisting(last: lines)
                    end(follower, done)
                } catch {
                    let reason = error.description(at: path)
                    shared.fail(NoLog(description: text(error, reason, path, manager)), done)
                }
            }
        }
    }

    private func follow(
        _ follower: LogFollower, _ path: String, _ manager: KeeperManager, _ loop: Loop,
        _ done: @escaping (ExitCode) -> Void
    ) {
        do throws(FileTailError) {
            try follower.follow(last: lines, on: loop) { end(follower, done) }
        } catch {
            shared.fail(NoLog(description: text(error.systemError, error.reason, path, manager)), done)
        }
    }

    private struct NoLog: Error, CustomStringConvertible {
        let description: String
    }

    private func text(_ error: UVError, _ reason: String, _ path: String, _ manager: KeeperManager) -> String {
        let isLive = manager.status(of: session).map { [.starting, .live, .childDead].contains($0.state) } ?? false
        guard error == .noEntry, isLive, !launch else {
            return "cannot use the log of session \(session), \(path): \(reason)"
        }
        return "the log of session \(session) was moved or removed while the session runs; there is no file \(path)"
    }

    private func end(_ follower: LogFollower, _ done: (ExitCode) -> Void) {
        if follower.hasFailed { Output.reportLoss() }
        done(follower.hasFailed ? .failure : .success)
    }
}
