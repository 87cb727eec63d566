import HTTPTypes
import Hummingbird
import NIOCore
import ServiceLifecycle

/// An answer that goes on for as long as its client listens.
enum EventStream {
    /// Sends one event, and returns when the client's connection takes more: a client that does not read costs what is under way
    /// to it, and keeps nobody else waiting.
    typealias Send = (ServerSentEvent) async throws -> Void

    /// How long a browser waits before it connects anew.
    private static let retryMilliseconds = 500

    /// - Parameter body: sends events; it is canceled when the client has gone, or the server ends.
    static func response(
        to request: Request, _ context: DashboardContext, _ slots: StreamSlots,
        _ body: @escaping @Sendable (_ send: Send) async throws -> Void,
    ) throws(Refusal) -> Response {
        // A body that nobody reads would hold the connection, and the server at its end.
        guard [nil, "0"].contains(request.headers[.contentLength]), request.headers[.transferEncoding] == nil else {
            throw .badRequest("a stream of events is asked for without a body")
        }
        guard let slot = slots.take() else { throw .tooManyStreams }
        return Response(
            status: .ok, headers: [.contentType: "text/event-stream; charset=utf-8"],
            body: ResponseBody { [channel = context.channel] writer in
                // Until then one more is open.
                defer { withExtendedLifetime(slot) {} }
                try await withGracefulShutdownHandler {
                    try await writer.write(ByteBuffer(string: "retry: \(retryMilliseconds)\n\n"))
                    try await request.body.consumeWithCancellationOnInboundClose { _ in
                        try await untilClosed(channel) { try await body { try await writer.write($0.bytes) } }
                    }
                    try await writer.finish(nil)
                } onGracefulShutdown: {
                    // Also one whose client does not read.
                    channel.close(promise: nil)
                }
            })
    }

    /// Runs `body`, and cancels it once the connection has closed. The inbound side alone does not tell that of a client that has
    /// sent more than is read of it.
    private static func untilClosed(_ channel: any Channel, _ body: () async throws -> Void) async throws {
        try await withoutActuallyEscaping(body) { body in
            let (closed, source) = AsyncStream<Void>.makeStream()
            channel.closeFuture.whenComplete { _ in source.finish() }
            let work = Work(body: body)
            try await withThrowingTaskGroup(of: Void.self) { group in
                defer { group.cancelAll() }
                group.addTask { try await work.body() }
                group.addTask {
                    for await _ in closed {}
                    throw CancellationError()
                }
                try await group.next()
            }
        }
    }

    /// The body on its way to the one task that runs it while its caller waits.
    private struct Work: @unchecked Sendable {
        let body: () async throws -> Void
    }
}
