import TestSupport
import Testing
import UVLoop
import UVLoopAsync

@Suite("Children for tasks") struct ChildrenTests {
    @Test("a program is run to its end, with its input and both outputs") func run() async throws {
        try await withExecutor { executor in
            let result = try await executor.run("sh", ["-c", "cat; echo err >&2; exit 3"], input: Array("in".utf8))
            #expect(result.exit == .exited(code: 3))
            #expect(result.text == "in" && result.errors == Array("err\n".utf8) && !result.hasSucceeded)
            #expect(try await executor.run("true").hasSucceeded)
            // Much input that nobody reads is no failure.
            #expect(try await executor.run("true", input: [UInt8](repeating: 0, count: 1 << 22)).hasSucceeded)
            let large = try await executor.run("head", ["-c", "5000000", "/dev/zero"])
            #expect(large.output.count == 5_000_000)
        }
    }

    @Test("what is missing, and what writes too much, is an error") func failures() async throws {
        try await withExecutor { executor in
            await #expect(throws: RunError.spawn(.executableNotFound("no-such-program"))) {
                try await executor.run("no-such-program")
            }
            await #expect(throws: RunError.tooMuchOutput(limit: 1000)) {
                try await executor.run("yes", outputLimit: 1000)
            }
        }
    }

    @Test("a canceled run kills its child") func canceled() async throws {
        try await withDirectory { directory in
            try await withExecutor { executor in
                let path = directory + "/pid"
                let running = Task {
                    try await executor.run(
                        "sh", ["-c", "echo $$ > \(path).new; mv \(path).new \(path); exec sleep 1000"])
                }
                var pid: Int32?
                try await until("it runs") {
                    pid = (try? Files.read(path, limit: 20)).flatMap {
                        Int32(String(decoding: $0.dropLast(), as: UTF8.self))
                    }
                    return pid != nil
                }
                running.cancel()
                await #expect(throws: RunError.canceled) { try await running.value }
                try await until("it is gone") { Processes.liveness(of: pid!) == .gone }
            }
        }
    }

    @Test("the end of the loop kills the child of a run, and of a scope; one without a scope lives on") func loopEnds()
        async throws
    {
        try await withDirectory { directory in
            let executor = try LoopExecutor()
            let path = directory + "/pid"
            let command = ["-c", "echo $$ > \(path).new; mv \(path).new \(path); exec sleep 1000"]
            let running = Task { try await executor.run("sh", command) }
            var pid: Int32?
            try await until("it runs") {
                pid = (try? Files.read(path, limit: 20)).flatMap {
                    Int32(String(decoding: $0.dropLast(), as: UTF8.self))
                }
                return pid != nil
            }
            let (pids, found) = AsyncStream.makeStream(of: Int32.self)
            let scope = Task {
                try await RunningProcess.with("sleep", ["1000"], stdio: [.ignore, .ignore, .ignore], on: executor) {
                    found.yield($0.pid)
                    return try await $0.wait()
                }
            }
            let scoped = try #require(await pids.first { _ in true })
            let free = try await RunningProcess.start(
                .init(executable: "sleep", arguments: ["1000"], stdio: [.ignore, .ignore, .ignore]), on: executor)
            await executor.shutdown()
            await #expect(throws: RunError.canceled) { try await running.value }
            await #expect(throws: UVError.canceled) { _ = try await scope.value }
            try await until("both are gone") {
                Processes.liveness(of: pid!) == .gone && Processes.liveness(of: scoped) == .gone
            }
            try await until("no zombie is left") {
                !Files.exists("/proc/\(pid!)") && !Files.exists("/proc/\(scoped)")
            }
            #expect(Processes.liveness(of: free.pid) == .alive)
            try Processes.send(.kill, to: free.pid)
        }
    }

    @Test("a conversation with a child; its end comes when its input has ended") func conversation() async throws {
        try await withExecutor { executor in
            let (answers, exit) = try await RunningProcess.with("cat", on: executor) { process in
                let input = try #require(process.input)
                var lines = try #require(process.output).lines().makeAsyncIterator()
                var answers: [String] = []
                for number in 0..<100 {
                    try await input.write("line \(number)\n")
                    answers.append(try #require(try await lines.next()).text)
                }
                return answers
            }
            #expect(answers == (0..<100).map { "line \($0)" })
            #expect(exit == .exited(code: 0))
        }
    }

    @Test("a body that throws, and a canceled task, end a stubborn child") func ended() async throws {
        struct Failure: Error {}
        try await withExecutor { executor in
            let pid = Counter()
            await #expect(throws: Failure.self) {
                try await RunningProcess.with(
                    "sh", ["-c", "trap '' TERM; echo; while :; do sleep 0.01; done"], grace: .milliseconds(20),
                    on: executor
                ) { process in
                    await pid.add(Int(process.pid))
                    _ = try await process.output?.read()
                    throw Failure()
                }
            }
            #expect(Processes.liveness(of: Int32(await pid.value)) == .gone)
            let running = Task {
                try await RunningProcess.with("sleep", ["1000"], on: executor) { process in
                    _ = try await process.wait()
                }
            }
            try await until("it runs") { try await executor.run { loop in !loop.openHandles.isEmpty } }
            running.cancel()
            await #expect(throws: UVError.canceled) { try await running.value }
        }
    }
}
