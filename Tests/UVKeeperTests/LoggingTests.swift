import Logging
import Synchronization
import TestSupport
import Testing
import UVKeeper

@Suite struct LoggingTests {
    @Test("starts, ends, kills, discoveries and failures are noted with session and pid")
    func messages() throws {
        let log = TestLog()
        try withWorld(options: { $0.logger = Logger(label: "test", factory: { _ in log.handler }) }) { world throws in
            let keeper = try world.spawn("s1")
            for _ in 0..<3 { _ = try world.discover() }
            #expect(world.manager.killKeeper(for: "s1"))
            try world.eventually { !keeper.isRunning }
            _ = try world.spawnError("../x")
            let about = ["pid": "\(keeper.pid)", "session": "s1"]
            #expect(log.entries.contains { $0.message == "keeper started" && $0.metadata == about })
            // The same again is no news.
            let discoveries = log.entries.filter { $0.message == "keepers discovered" && $0.metadata["live"] == "1" }
            #expect(discoveries.map(\.level) == [.info, .debug, .debug])
            #expect(log.entries.contains { $0.message == "keeper told to end" && $0.metadata == about })
            #expect(
                log.entries.contains { entry in
                    entry.message == "keeper ended" && entry.metadata["status"] == "exited with code 0"
                })
            #expect(log.entries.contains { $0.message == "cannot start keeper" && $0.level == .warning })
        }
    }

    /// Keeps what is logged.
    private final class TestLog: Sendable {
        struct Entry {
            let level: Logger.Level
            let message: String
            let metadata: [String: String]
        }

        private let stored = Mutex<[Entry]>([])

        var entries: [Entry] { stored.withLock { $0 } }
        var handler: Handler { Handler(log: self) }

        func add(_ entry: Entry) { stored.withLock { $0.append(entry) } }
    }

    private struct Handler: LogHandler {
        let log: TestLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        init(log: TestLog) { self.log = log }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            log.add(
                .init(
                    level: event.level, message: "\(event.message)",
                    metadata: (event.metadata ?? [:]).mapValues { "\($0)" }))
        }
    }
}
