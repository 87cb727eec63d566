import HostedEcho
import NIOCore
import NIOPosix
import Program
import UVLoop

/// A loop on the thread of a SwiftNIO event loop. SwiftNIO watches no descriptor of somebody else's, so a thread of UVLoop's own
/// does, and asks for a round.
@main final class HostNIO {
    static let program = Program(
        """
        usage: host-nio [--host HOST] PORT

        A TCP echo server on a loop that a SwiftNIO event loop runs. Says "listening on ADDRESS PORT", and at its end, which
        SIGTERM brings, how many rounds its loop has run: few for each message, none while nothing happens.

        exit status: 0 ended by SIGTERM, 1 it cannot listen, 64 wrong usage
        """)

    private let loop: Loop
    private let echo: HostedEcho
    private let eventLoop: any EventLoop
    private let watcher: LoopThread
    private var isWatched = false
    private var timer: Scheduled<Void>?

    static func main() throws {
        _ = program.address
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let eventLoop = group.next()
        let watcher = try LoopThread(name: "watcher")
        let end = eventLoop.makePromise(of: Void.self)
        let host = try eventLoop.submit { NIOLoopBound(try start(eventLoop, watcher, end), eventLoop: eventLoop) }
            .wait()
        try end.futureResult.wait()
        watcher.shutdown()
        try eventLoop.submit { try host.value.close() }.wait()
        try group.syncShutdownGracefully()
    }

    private static func start(
        _ eventLoop: any EventLoop, _ watcher: LoopThread, _ end: EventLoopPromise<Void>,
    ) throws -> HostNIO {
        do {
            let host = try HostNIO(eventLoop, watcher)
            host.echo.onEnd = { end.succeed() }
            host.round()
            return host
        } catch {
            program.fail("cannot listen: \(error)")
        }
    }

    private init(_ eventLoop: any EventLoop, _ watcher: LoopThread) throws {
        loop = try Loop()
        echo = try HostedEcho(HostNIO.program, on: loop)
        self.eventLoop = eventLoop
        self.watcher = watcher
        let host = NIOLoopBound(self, eventLoop: eventLoop)
        // Timers and the like that are started outside of a round.
        loop.onBackendChange = { eventLoop.execute { host.value.round() } }
    }

    private func round() {
        guard !loop.isClosed else { return }
        echo.round()
        let host = NIOLoopBound(self, eventLoop: eventLoop)
        timer?.cancel()
        timer = loop.backendTimeout.map {
            eventLoop.scheduleTask(in: .nanoseconds(Int64($0 / .nanoseconds(1)))) { host.value.round() }
        }
        guard !isWatched else { return }
        isWatched = true
        watcher.submit { [descriptor = loop.backendDescriptor, eventLoop] loop in
            let watch = try? PollHandle(descriptor: descriptor, on: loop)
            try? watch?.start(.readable) { watch, _, _ in
                watch.close()
                eventLoop.execute { host.value.hasEvents() }
            }
        }
    }

    private func hasEvents() {
        isWatched = false
        round()
    }

    private func close() throws {
        timer?.cancel()
        loop.onBackendChange = nil
        loop.run()
        try loop.close()
    }
}
