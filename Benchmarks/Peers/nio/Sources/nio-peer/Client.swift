import NIOCore
import NIOPosix

/// Writes one line per connection, and waits for the keeper to close it cleanly, at most 350 ms.
final class Client: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let line = ByteBuffer(string: String(repeating: "x", count: 63) + "\n")

    /// The lines that one run has left to do; used on the loop only.
    private final class Lines {
        let path: String
        let loop: any EventLoop
        let done: EventLoopPromise<Void>
        var toBegin: Int
        var toEnd: Int

        init(_ count: Int, to path: String, on loop: any EventLoop) {
            self.path = path
            self.loop = loop
            done = loop.makePromise()
            toBegin = count
            toEnd = count
        }

        func next() {
            guard toBegin > 0 else { return }
            toBegin -= 1
            let lines = NIOLoopBound(self, eventLoop: loop)
            ClientBootstrap(group: loop)
                .channelOption(.allowRemoteHalfClosure, value: false)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(Client(lines.value))
                    }
                }
                .connect(unixDomainSocketPath: path)
                .assumeIsolated()
                .whenFailure { self.done.fail($0) }
        }

        func ended() {
            toEnd -= 1
            if toEnd == 0 { done.succeed() } else { next() }
        }
    }

    private let lines: Lines
    private var timeout: Scheduled<Void>?

    private init(_ lines: Lines) { self.lines = lines }

    static func writeLines(
        _ count: Int, to path: String, inFlight: Int, on loop: any EventLoop
    ) -> EventLoopFuture<Void> {
        loop.flatSubmit {
            let lines = Lines(count, to: path, on: loop)
            for _ in 0..<inFlight { lines.next() }
            return lines.done.futureResult
        }
    }

    func channelActive(context: ChannelHandlerContext) {
        let done = lines.done
        timeout = context.eventLoop.scheduleTask(in: .milliseconds(350)) {
            done.fail(ChannelError.connectTimeout(.milliseconds(350)))
        }
        context.writeAndFlush(wrapOutboundOut(Client.line), promise: nil)
        context.close(mode: .output, promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timeout?.cancel()
        lines.ended()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        lines.done.fail(error)
    }
}
