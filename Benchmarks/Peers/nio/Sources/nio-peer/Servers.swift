import Glibc
import NIOCore
import NIOPosix

/// The servers of the C peer, `Peers/c/servers.c`: the first line of output is the port, on 127.0.0.1, and the end of
/// standard input ends the server.
enum Servers {
    static func run(_ kind: String) throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let channel: any Channel
        if kind == "udp-echo" {
            channel = try DatagramBootstrap(group: loop)
                // Several datagrams are received by one system call, as by the other peers.
                .channelOption(.datagramVectorReadMessageCount, value: 16)
                .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 16 * 2048))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(DatagramEcho())
                    }
                }
                .bind(host: "127.0.0.1", port: 0).wait()
        } else {
            channel = try ServerBootstrap(group: loop)
                .serverChannelOption(.backlog, value: 511)
                .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
                .childChannelInitializer { client in
                    client.eventLoop.makeCompletedFuture {
                        switch kind {
                        case "tcp-echo": try client.pipeline.syncOperations.addHandler(Echo())
                        case "tcp-sink": try client.pipeline.syncOperations.addHandler(Sink())
                        case "tcp-source": try client.pipeline.syncOperations.addHandler(Source())
                        default: fatalError("no such server: \(kind)")
                        }
                    }
                }
                .bind(host: "127.0.0.1", port: 0).wait()
        }
        print(channel.localAddress!.port!)
        fflush(nil)
        // The loop has a thread of its own; this thread only waits.
        while getchar() != EOF {}
        exit(0)
    }

    /// Sends back the bytes of a client, flushed once per read; a client that does not read is not read either.
    private final class Echo: ChannelDuplexHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private var isWaiting = false

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            context.write(data, promise: nil)
        }

        func channelReadComplete(context: ChannelHandlerContext) {
            context.flush()
        }

        func read(context: ChannelHandlerContext) {
            if context.channel.isWritable { context.read() } else { isWaiting = true }
        }

        func channelWritabilityChanged(context: ChannelHandlerContext) {
            guard isWaiting, context.channel.isWritable else { return }
            isWaiting = false
            context.read()
        }
    }

    /// Reads the bytes of a client. The channel closes itself at its end.
    private final class Sink: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {}
    }

    /// Sends 64 KiB for each byte that a client sends.
    private final class Source: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let chunk = ByteBuffer(repeating: 0x78, count: 65536)
        private var left = 0

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            left += unwrapInboundIn(data).readableBytes
            pump(context)
        }

        func channelWritabilityChanged(context: ChannelHandlerContext) { pump(context) }

        private func pump(_ context: ChannelHandlerContext) {
            while left > 0, context.channel.isWritable {
                left -= 1
                context.writeAndFlush(wrapOutboundOut(chunk), promise: nil)
            }
        }
    }

    private final class DatagramEcho: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            context.write(data, promise: nil)
        }

        func channelReadComplete(context: ChannelHandlerContext) {
            context.flush()
        }
    }
}
