import Glibc
import NIOCore
import NIOPosix
import Subprocess

/// What tasks do, on one event loop: streams and hops on SwiftNIO, programs by swift-subprocess.
enum AsyncPeers {
    private typealias Client = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    private static let message = ByteBuffer(repeating: 0x78, count: 64)

    static func run(_ name: String, _ count: Int) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let time =
            switch name {
            case "async-echo": try await echo(count, group, onLoop: false)
            case "async-echo-loop": try await echo(count, group, onLoop: true)
            case "async-hop": try await hop(count, group)
            case "async-run": try await run(count)
            default: fatalError("no such benchmark: \(name)")
            }
        print(#"{"name":"\#(name)","count":\#(count),"ns_per_op":\#(time / Double(count))}"#)
        try await group.shutdownGracefully()
    }

    private static func now() -> Double {
        var time = timespec()
        // Fails only for an unknown clock.
        _ = clock_gettime(getenv("UVBENCH_CLOCK") == nil ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
    }

    /// A message to a server and back, over TCP; the tasks are the default's, or the event loop's.
    private static func echo(
        _ count: Int, _ group: MultiThreadedEventLoopGroup, onLoop: Bool,
    ) async throws -> Double {
        let server = try await ServerBootstrap(group: group)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .bind(host: "127.0.0.1", port: 0) { client in
                client.eventLoop.makeCompletedFuture { try Client(wrappingChannelSynchronously: client) }
            }
        let port = server.channel.localAddress!.port!
        let preferred: (any TaskExecutor)? = onLoop ? LoopTasks(group.next()) : nil
        return try await withTaskExecutorPreference(preferred) {
            // A task of its own inherits no preference.
            let serving = Task(executorPreference: preferred) {
                try await server.executeThenClose { clients in
                    try await withThrowingDiscardingTaskGroup { tasks in
                        for try await client in clients {
                            tasks.addTask {
                                try await client.executeThenClose { inbound, outbound in
                                    for try await bytes in inbound { try await outbound.write(bytes) }
                                }
                            }
                        }
                    }
                }
            }
            let client = try await ClientBootstrap(group: group)
                .channelOption(.socketOption(.tcp_nodelay), value: 1)
                .connect(host: "127.0.0.1", port: port) { client in
                    client.eventLoop.makeCompletedFuture { try Client(wrappingChannelSynchronously: client) }
                }
            let time = try await client.executeThenClose { inbound, outbound in
                var answers = inbound.makeAsyncIterator()
                try await exchange(1000, outbound, &answers)
                let begin = now()
                try await exchange(count, outbound, &answers)
                return now() - begin
            }
            serving.cancel()
            _ = await serving.result
            return time
        }
    }

    private static func exchange(
        _ count: Int, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        _ answers: inout NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
    ) async throws {
        for _ in 0..<count {
            try await outbound.write(message)
            var left = message.readableBytes
            while left > 0 {
                guard let bytes = try await answers.next() else { fatalError("the server has closed") }
                left -= bytes.readableBytes
            }
        }
    }

    /// Tasks that an event loop runs, for which SwiftNIO has nothing ready.
    private final class LoopTasks: TaskExecutor {
        private let loop: any EventLoop

        init(_ loop: any EventLoop) { self.loop = loop }

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
    }

    private actor Pinned {
        private let loop: any EventLoop
        nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor.asUnownedSerialExecutor() }
        private var number = 0

        init(on loop: any EventLoop) { self.loop = loop }

        func next() -> Int {
            number += 1
            return number
        }
    }

    /// From a task of the default's to an actor of the event loop's, and back.
    private static func hop(_ count: Int, _ group: MultiThreadedEventLoopGroup) async throws -> Double {
        let actor = Pinned(on: group.next())
        for _ in 0..<1000 { _ = await actor.next() }
        let begin = now()
        for _ in 0..<count { _ = await actor.next() }
        return now() - begin
    }

    /// A program to its end, with what it writes to both outputs.
    private static func run(_ count: Int) async throws -> Double {
        func run() async throws {
            let result = try await Subprocess.run(
                .path("/bin/true"), output: .bytes(limit: 1 << 24), error: .bytes(limit: 1 << 24))
            guard result.terminationStatus.isSuccess else { fatalError("the child \(result.terminationStatus)") }
        }
        for _ in 0..<5 { try await run() }
        let begin = now()
        for _ in 0..<count { try await run() }
        return now() - begin
    }
}
