import Glibc
import NIOCore
import NIOPosix

/// Copies the bytes that clients send to a child's stdin, without framing; stops reading while the child's pipe is
/// full.
enum Keeper {
    static func run(socketPath: String, command: [String]) throws {
        signal(SIGPIPE, SIG_IGN)
        var pair: [CInt] = [-1, -1]
        guard pipe(&pair) == 0, fcntl(pair[1], F_SETFD, FD_CLOEXEC) == 0 else { fatalError("pipe") }
        let child = spawn(command, standardInput: pair[0])
        close(pair[0])
        signal(SIGTERM) { _ in _exit(0) }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let input = try NIOPipeBootstrap(group: loop).takingOwnershipOfDescriptor(output: pair[1]).wait()
        unlink(socketPath)
        let server = try ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: 511)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { client in
                client.eventLoop.makeCompletedFuture {
                    try client.pipeline.syncOperations.addHandler(Copier(to: input))
                }
            }
            .bind(unixDomainSocketPath: socketPath).wait()
        var status: CInt = 0
        waitpid(child, &status, 0)
        unlink(socketPath)
        try server.close().wait()
    }

    private static func spawn(_ command: [String], standardInput: CInt) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, standardInput, 0)
        var arguments = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        guard posix_spawn(&pid, command[0], &actions, nil, &arguments, environ) == 0 else { fatalError("posix_spawn") }
        return pid
    }

    /// Passes one client's bytes on to the child, flushed once per read; closes the client when its last bytes are in
    /// the child's pipe.
    private final class Copier: ChannelDuplexHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundIn = Never

        private let child: any Channel
        private var written: EventLoopFuture<Void>?

        init(to child: any Channel) { self.child = child }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            written = child.write(unwrapInboundIn(data))
        }

        func channelReadComplete(context: ChannelHandlerContext) {
            child.flush()
        }

        func read(context: ChannelHandlerContext) {
            guard !child.isWritable, let written else { return context.read() }
            // The last write completes when the pipe has taken all bytes before it too.
            written.assumeIsolated().whenComplete { _ in context.read() }
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            guard case .some(.inputClosed) = event as? ChannelEvent else { return }
            guard let written else { return context.close(promise: nil) }
            written.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        }
    }
}
