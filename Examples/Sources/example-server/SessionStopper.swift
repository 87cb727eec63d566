import UVKeeper

/// Ends one session, its child included, and waits until it is gone.
final class SessionStopper {
    private static let interval = Duration.milliseconds(10)
    private static let deadline = Duration.seconds(5)

    private let session: String
    private let keepers: KeeperManager
    private let timer: TimerHandle
    private let end: Duration

    init(_ session: String, in sessionsDirectory: String, on loop: Loop) throws {
        self.session = session
        var options = KeeperManager.Options()
        options.sessionsDirectory = sessionsDirectory
        keepers = try KeeperManager(on: loop, options: options)
        timer = try TimerHandle(on: loop)
        end = LibUV.monotonicTime + SessionStopper.deadline
    }

    func start() {
        // A manager signals only the keepers it has started or found itself.
        keepers.discoverExistingKeepers { result in
            if case .failure(let error) = result { ExampleServer.fail(error) }
            guard self.keepers.killKeeper(for: self.session) else {
                ExampleServer.fail(Failure("session \(self.session) has no keeper"))
            }
            self.timer.start(after: SessionStopper.interval, repeating: SessionStopper.interval) { _ in self.look() }
        }
    }

    private func look() {
        if keepers.isKeeperAlive(for: session) {
            guard LibUV.monotonicTime >= end else { return }
            ExampleServer.fail(Failure("session \(session) did not end within \(SessionStopper.deadline)"))
        }
        ExampleServer.say("session \(session) has ended")
        keepers.close()
        timer.close()
    }
}
