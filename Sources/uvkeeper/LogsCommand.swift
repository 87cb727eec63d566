import ArgumentParser
import UVKeeper

struct LogsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs",
        abstract: "Print a session's log: the keeper's own lines, and its child's output if that is captured.",
        discussion: "With --json, one object per line: its time, if it is the keeper's, and its text.",
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The session.", transform: SessionID.init)
    var session: SessionID

    @Flag(name: [.short, .long], help: "Go on printing what is added, until interrupted, or nobody reads it.")
    var follow = false

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Only the last lines, so many.", valueName: "count"))
    var lines: Int?

    @Flag(help: "The launch log instead: what the keeper said before its own log was open.")
    var launch = false

    func validate() throws {
        if let lines, lines < 0 { throw ValidationError("--lines takes a number, 0 or more") }
    }

    func run() throws {
        try shared.run { manager, loop, done in
            do {
                let path = launch ? manager.paths.launchLog(for: session) : manager.paths.log(for: session)
                let follower = LogFollower(path: path, isJSON: shared.json)
                try follower.printExisting(last: lines)
                guard follow else {
                    follower.finish()
                    return end(follower, done)
                }
                try follower.follow(on: loop) { end(follower, done) }
            } catch let error as UVError {
                shared.fail(KeeperError.file("the log of session \(session)", error), done)
            } catch {
                shared.fail(error, done)
            }
        }
    }

    private func end(_ follower: LogFollower, _ done: (ExitCode) -> Void) {
        if follower.hasFailed { Output.reportLoss() }
        done(follower.hasFailed ? .failure : .success)
    }
}
