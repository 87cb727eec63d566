import TestSupport
import Testing

@testable import UVKeeper

@Suite struct DetachedProcessTests {
    private func detached(_ world: World, _ script: String) throws -> DetachedProcess {
        let process = try world.loop.spawnDetached(
            .init(executable: "sh", arguments: ["-c", script], workingDirectory: world.root))
        world.own(process.pid, process.startTime)
        return process
    }

    @Test("a wait for a crash ends with the status, or with the window")
    func noCrash() throws {
        try withWorld { world throws in
            let crashing = try detached(world, "exit 3")
            #expect(
                try world.result { crashing.waitForNoCrash(window: .seconds(60), completion: $0) }
                    == .ended(.exited(code: 3)))
            #expect(
                try world.result { crashing.waitForNoCrash(window: .seconds(60), completion: $0) }
                    == .ended(.exited(code: 3)), "told again")
            #expect(!crashing.isRunning)
            let lasting = try detached(world, "exec sleep 100")
            let start = SystemClock.monotonicTime
            #expect(try world.result { lasting.waitForNoCrash(window: .milliseconds(30), completion: $0) } == .running)
            #expect(SystemClock.monotonicTime - start >= .milliseconds(30))
            #expect(lasting.exitStatus == nil)
        }
    }

    @Test("a wait for readiness ends when the probe says so, the process ends, or the deadline passes")
    func ready() throws {
        try withWorld { world throws in
            let process = try detached(world, "exec sleep 100")
            var asked = 0
            let probe = {
                asked += 1
                return asked == 3
            }
            #expect(
                try world.result { process.waitForReady(probe: probe, deadline: .seconds(60), completion: $0) }
                    == .running)
            #expect(asked == 3)
            #expect(
                try world.result { process.waitForReady(probe: { false }, deadline: .milliseconds(20), completion: $0) }
                    == .timedOut)
            let ending = try detached(world, "exit 0")
            #expect(
                try world.result { ending.waitForReady(probe: { false }, deadline: .seconds(60), completion: $0) }
                    == .ended(.exited(code: 0)))
        }
    }

    @Test("several waits on one process all end with it")
    func several() throws {
        try withWorld { world throws in
            let process = try detached(world, "exec sleep 100")
            var results: [DetachedProcess.WaitResult] = []
            for _ in 0..<3 { process.waitForNoCrash(window: .seconds(60)) { results.append($0) } }
            process.waitForReady(probe: { false }, deadline: .seconds(60)) { results.append($0) }
            try Processes.send(.kill, to: process.pid)
            try world.eventually { results.count == 4 }
            #expect(results.allSatisfy { $0 == .ended(.signaled(.kill)) })
        }
    }

    @Test("close ends waits as canceled on a later tick, and waits begun afterwards too")
    func close() throws {
        try withWorld { world throws in
            let process = try detached(world, "exec sleep 100")
            var results: [DetachedProcess.WaitResult] = []
            process.waitForNoCrash(window: .seconds(60)) { results.append($0) }
            process.close()
            process.close()
            #expect(results.isEmpty)
            process.waitForNoCrash(window: .zero) { results.append($0) }
            try world.eventually { results.count == 2 }
            #expect(results == [.canceled, .canceled])
            #expect(process.isRunning)
        }
    }

    @Test("a probe may close the process it is about")
    func probeCloses() throws {
        try withWorld { world throws in
            let process = try detached(world, "exec sleep 100")
            let probe = {
                process.close()
                return false
            }
            #expect(
                try world.result { process.waitForReady(probe: probe, deadline: .seconds(60), completion: $0) }
                    == .canceled)
        }
    }

    @Test("its stdin is empty, and its output goes where the caller said")
    func output() throws {
        try withWorld { world throws in
            let file = try OpenFile(world.path("out"), .append)
            let process = try world.loop.spawnDetached(
                .init(executable: "sh", arguments: ["-c", "cat; echo out; echo err >&2"]), output: file.descriptor)
            #expect(
                try world.result { process.waitForNoCrash(window: .seconds(60), completion: $0) }
                    == .ended(.exited(code: 0)))
            #expect(world.text("out") == "out\nerr\n")
            file.close()
        }
    }

    @Test("waits end as canceled when the loop closes everything, those that come later too")
    func handlesClosed() throws {
        try withWorld { world throws in
            let process = try detached(world, "exec sleep 100")
            var results: [DetachedProcess.WaitResult] = []
            process.waitForNoCrash(window: .seconds(100)) { results.append($0) }
            process.waitForReady(probe: { false }, deadline: .seconds(100)) { results.append($0) }
            world.loop.closeHandles()
            process.waitForNoCrash(window: .seconds(100)) { results.append($0) }
            #expect(results.isEmpty)
            try world.eventually { results.count == 3 }
            process.waitForNoCrash(window: .seconds(100)) { results.append($0) }
            try world.eventually { results.count == 4 }
            #expect(results == [.canceled, .canceled, .canceled, .canceled])
        }
    }

    @Test("a wait for ever is one", arguments: [Duration.seconds(Int64.max), Duration(attoseconds: .max)])
    func forever(_ duration: Duration) throws {
        try withWorld { world throws in
            let process = try detached(world, "exec sleep 100")
            var results: [DetachedProcess.WaitResult] = []
            process.waitForReady(probe: { false }, deadline: duration) { results.append($0) }
            try world.run(for: .milliseconds(10))
            #expect(results.isEmpty)
            process.close()
            try world.eventually { results == [.canceled] }
        }
    }
}
