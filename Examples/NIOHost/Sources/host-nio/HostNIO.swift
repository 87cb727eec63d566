import HostedEcho
import NIOCore
import NIOPosix
import Program
import UVLoop

/// A loop on the thread of a SwiftNIO event loop, which watches no descriptor of somebody else's: the driver has a thread for it.
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
    private let driver: LoopDriver

    static func main() throws {
        _ = program.address
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let eventLoop = group.next()
        let end = eventLoop.makePromise(of: Void.self)
        let host = try eventLoop.submit { NIOLoopBound(try start(eventLoop, end), eventLoop: eventLoop) }.wait()
        try end.futureResult.wait()
        try eventLoop.submit { try host.value.close() }.wait()
        try group.syncShutdownGracefully()
    }

    private static func start(_ eventLoop: any EventLoop, _ end: EventLoopPromise<Void>) throws -> HostNIO {
        do {
            let host = try HostNIO(eventLoop)
            host.echo.onEnd = { end.succeed() }
            try host.driver.start()
            return host
        } catch {
            program.fail("cannot listen: \(error)")
        }
    }

    private init(_ eventLoop: any EventLoop) throws {
        loop = try Loop()
        echo = try HostedEcho(HostNIO.program, on: loop)
        driver = LoopDriver(
            loop,
            on: LoopDriver.Host(
                execute: { eventLoop.execute($0) },
                schedule: { delay, body in
                    let timer = eventLoop.scheduleTask(in: .nanoseconds(Int64(delay / .nanoseconds(1))), body)
                    return { timer.cancel() }
                }))
        echo.rounds = { [driver] in driver.rounds }
    }

    private func close() throws {
        driver.stop()
        loop.run()
        try loop.close()
    }
}
