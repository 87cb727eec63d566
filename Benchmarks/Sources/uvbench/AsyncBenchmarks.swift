import Dispatch
import Glibc
import UVKeeper
import UVLoopAsync

/// What tasks do; the same names and work as `Peers/nio`'s `AsyncPeers.swift`.
enum AsyncBenchmarks {
    static let all = [
        Benchmark(name: "async-echo") { count, _ in try wait { try await echo(count, onLoop: false) } },
        Benchmark(name: "async-echo-loop") { count, _ in try wait { try await echo(count, onLoop: true) } },
        Benchmark(name: "async-hop") { count, _ in try wait { try await hop(count) } },
        Benchmark(name: "async-run") { count, _ in try wait { try await run(count) } },
    ]

    private static let message = [UInt8](repeating: 0x78, count: 64)

    /// A message to a server and back, over TCP, both on one loop; their tasks are the default's, or the loop's.
    private static func echo(_ count: Int, onLoop: Bool) async throws -> Measurement {
        let executor = try LoopExecutor()
        let server = try await Server.bind(to: .loopback(.ipv4, port: 0), on: executor)
        let preferred: LoopExecutor? = onLoop ? executor : nil
        return try await withTaskExecutorPreference(preferred) {
            // A task of its own inherits no preference.
            let serving = Task(executorPreference: preferred) {
                try await server.serve { client in
                    for try await bytes in client.bytes { try await client.write(bytes) }
                }
            }
            let time = try await Connection.with("127.0.0.1", port: server.address.port!, on: executor) { client in
                var answers = client.bytes.makeAsyncIterator()
                try await exchange(1000, client, &answers)
                let begin = timeNow()
                try await exchange(count, client, &answers)
                return timeNow() - begin
            }
            await server.close()
            try await serving.value
            await executor.shutdown()
            return Measurement(total: time)
        }
    }

    private static func exchange(
        _ count: Int, _ client: Connection, _ answers: inout Connection.Bytes.Iterator,
    ) async throws {
        for _ in 0..<count {
            try await client.write(message)
            var left = message.count
            while left > 0 {
                guard let bytes = try await answers.next() else { fail("the server has closed") }
                left -= bytes.count
            }
        }
    }

    private actor Pinned: LoopActor {
        nonisolated let executor: LoopExecutor
        nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
        private var number = 0

        init(on executor: LoopExecutor) { self.executor = executor }

        func next() -> Int {
            number += 1
            return number
        }
    }

    /// From a task of the default's to an actor of the loop's, and back.
    private static func hop(_ count: Int) async throws -> Measurement {
        let executor = try LoopExecutor()
        let actor = Pinned(on: executor)
        for _ in 0..<1000 { _ = await actor.next() }
        let begin = timeNow()
        for _ in 0..<count { _ = await actor.next() }
        let time = timeNow() - begin
        await executor.shutdown()
        return Measurement(total: time)
    }

    /// A program to its end, with what it writes to both outputs.
    private static func run(_ count: Int) async throws -> Measurement {
        let executor = try LoopExecutor()
        func run() async throws {
            let result = try await executor.run("/bin/true")
            guard result.hasSucceeded else { fail("the child \(result.exit)") }
        }
        for _ in 0..<5 { try await run() }
        let begin = timeNow()
        for _ in 0..<count { try await run() }
        let time = timeNow() - begin
        await executor.shutdown()
        return Measurement(total: time)
    }

    /// For a program whose main function is no task.
    private static func wait(_ body: @escaping @Sendable () async throws -> Measurement) throws -> Measurement {
        final class Box: @unchecked Sendable { var result: Result<Measurement, any Error>? }
        let (box, done) = (Box(), DispatchSemaphore(value: 0))
        Task {
            do { box.result = .success(try await body()) } catch { box.result = .failure(error) }
            done.signal()
        }
        done.wait()
        return try box.result!.get()
    }
}
