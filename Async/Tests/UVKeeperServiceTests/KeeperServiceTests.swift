import MetricsTestKit
import ServiceLifecycle
import ServiceLifecycleTestKit
import TestSupport
import Testing
import UVKeeper
import UVKeeperAsync
import UVKeeperService
import UVLoop

@Suite("Keepers as a service") struct KeeperServiceTests {
    /// Longer than the pipe to a child: it waits as long as the child does not read.
    private static let longLine = String(repeating: "x", count: 1 << 20)

    /// Calls `body` with a directory; at the end every session in it is stopped.
    private func withSessions(
        _ body: (_ options: Keepers.Options, _ directory: String) async throws -> Void,
    ) async throws {
        let directory = try makeTemporaryDirectory()
        let options = Keepers.Options(sessionsDirectory: directory + "/s", sidecar: [BuiltProducts.sidecar])
        do { try await body(options, directory) } catch { Issue.record(error) }
        let keepers = try await Keepers(options)
        do {
            for status in try await keepers.list() { await keepers.session(status.session).stop(.now) }
        } catch {
            Issue.record(error)
        }
        await keepers.close()
        removeTree(directory)
    }

    /// Waits until the session's child does not read any more.
    private func untilBlocked(_ session: KeptSession) async throws {
        while try await session.status().blockedSince == nil { await Task.yield() }
    }

    @Test("a graceful shutdown takes nothing new, lets what waits be written, and leaves the sessions to the next run")
    func graceful() async throws {
        try await withSessions { options, directory in
            var settings = KeeperService.Settings()
            settings.finishingTime = hangTimeout
            let service = try await KeeperService(options, settings: settings)
            let session = try await service.keepers.open(
                "slow", ["sh", "-c", "while [ ! -e go ]; do sleep 0.01; done; exec cat > heard"], in: directory)
            let line = Task { await session.write(KeeperServiceTests.longLine, deadline: .untilSessionEnds) }
            try await untilBlocked(session)
            try await testGracefulShutdown { trigger in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await service.run() }
                    trigger.triggerGracefulShutdown()
                    // Until then lines are taken; each of these waits behind the long one, or is refused.
                    var late: [Task<WriteOutcome, Never>] = []
                    while true {
                        let task = Task { await session.write("late", deadline: .untilSessionEnds) }
                        late.append(task)
                        do { _ = try await service.keepers.list() } catch { break }
                    }
                    #expect(await session.write("late") == .refused(.closed))
                    await #expect(throws: KeeperError.closed) {
                        try await service.keepers.open("other", ["cat"], in: directory)
                    }
                    try Posix.write("", to: directory + "/go")
                    try await group.waitForAll()
                    #expect(await line.value == .written)
                    for task in late {
                        let outcome = await task.value
                        #expect(outcome == .written || outcome == .refused(.closed), "\(outcome)")
                    }
                }
            }
            let next = try await KeeperService(options)
            let running = Task { try await next.run() }
            var events = await next.keepers.events().makeAsyncIterator()
            // It may have been adopted before anybody listened.
            if await next.keepers.figures().livingSessions == 0 { #expect(await events.next() == .adopted("slow")) }
            #expect(await next.keepers.session("slow").write("again") == .written)
            running.cancel()
            try await running.value
        }
    }

    @Test(
        "what does not come out within the bound ends with the service, and a canceled one waits for nothing",
        arguments: [true, false])
    func bound(_ isCanceled: Bool) async throws {
        try await withSessions { options, directory in
            var settings = KeeperService.Settings()
            settings.finishingTime = isCanceled ? .seconds(100_000) : .milliseconds(50)
            let service = try await KeeperService(options, settings: settings)
            let session = try await service.keepers.open("mute", ["sleep", "1000"], in: directory)
            let line = Task { await session.write(KeeperServiceTests.longLine, deadline: .untilSessionEnds) }
            try await untilBlocked(session)
            try await testGracefulShutdown { trigger in
                let running = Task { try await service.run() }
                if isCanceled { running.cancel() } else { trigger.triggerGracefulShutdown() }
                try await running.value
            }
            let outcome = await line.value
            #expect(outcome != .written, "\(outcome)")
            await #expect(throws: KeeperError.closed) { try await session.status() }
        }
    }

    @Test("figures tell outcomes, times, sessions, attempts and the loop's lag, and none names a session")
    func figures()
        async throws
    {
        try await withSessions { options, directory in
            let metrics = TestMetrics()
            var settings = KeeperService.Settings()
            settings.metrics = metrics
            settings.metricsInterval = .milliseconds(1)
            let service = try await KeeperService(options, settings: settings)
            let count = metrics.counters.count + metrics.meters.count + metrics.timers.count
            let running = Task { try await service.run() }
            for name in ["a", "b"] {
                let session = try await service.keepers.open(SessionID(name), ["cat"], in: directory)
                for _ in 0..<10 { #expect(await session.write("line") == .written) }
                _ = try await session.request(#"{"id":1,"result":0}"#)
            }
            await service.keepers.session("b").stop(.now)
            _ = try await service.keepers.session("b").wait()
            #expect(await service.keepers.session("b").write("late") != .written)
            func outcome(_ name: String) -> Int64 {
                metrics.counterTotal(label: "uvkeeper_lines_total", dimensions: [("outcome", name)])
            }
            #expect(outcome("written") == 20 && outcome("refused") + outcome("unknown") == 1)
            #expect(try metrics.expectTimer("uvkeeper_line_duration").values.count == 21)
            #expect(metrics.counterTotal(label: "uvkeeper_questions_total", dimensions: [("outcome", "answered")]) == 2)
            #expect(try metrics.expectTimer("uvkeeper_question_duration").values.allSatisfy { $0 > 0 })
            #expect(
                metrics.counterTotal(label: "uvkeeper_session_events_total", dimensions: [("event", "started")]) == 2)
            #expect(metrics.counterTotal(label: "uvkeeper_session_events_total", dimensions: [("event", "ended")]) == 1)
            let living = try metrics.expectMeter("uvkeeper_sessions", [("state", "living")])
            let lag = try metrics.expectMeter("uvkeeper_loop_lag_seconds", [("quantile", "0.99")])
            while living.lastValue != 1 || lag.lastValue == nil { await Task.yield() }
            #expect(metrics.counterTotal(label: "uvkeeper_attempts_total") >= 2)
            running.cancel()
            try await running.value
            // However many sessions there are.
            #expect(metrics.counters.count + metrics.meters.count + metrics.timers.count == count)
        }
    }

    @Test("a directory that others can change ends the service with the reason") func failed() async throws {
        try await withSessions { options, directory in
            try Files.makeDirectory(at: directory + "/s")
            try Posix.setPermissions(0o777, of: directory + "/s")
            let service = try await KeeperService(options)
            await #expect(throws: KeeperError.self) { try await service.run() }
            await #expect(throws: KeeperError.closed) { try await service.keepers.list() }
            try Posix.setPermissions(0o700, of: directory + "/s")
        }
    }
}
