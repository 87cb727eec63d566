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
        guard let slot = slots.take() else { throw .tooManyStreams }
        return Response(
            status: .ok, headers: [.contentType: "text/event-stream; charset=utf-8"],
            body: ResponseBody { [channel = context.channel] writer in
                // Until then one more is open.
                defer { withExtendedLifetime(slot) {} }
                try await withGracefulShutdownHandler {
                    try await writer.write(ByteBuffer(string: "retry: \(retryMilliseconds)\n\n"))
                    try await request.body.consumeWithCancellationOnInboundClose { _ in
                        try await body { try await writer.write($0.bytes) }
                    }
                    try await writer.finish(nil)
                } onGracefulShutdown: {
                    // Also one whose client does not read.
                    channel.close(promise: nil)
                }
            })
    }
}
