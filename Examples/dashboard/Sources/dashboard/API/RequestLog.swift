import Hummingbird
import Logging

/// A line for each request that changes something, and for each that is refused. The query is left out: it may have the token.
struct RequestLog<Context: RequestContext>: RouterMiddleware {
    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response,
    ) async throws -> Response {
        let response = try await next(request, context)
        let isRefused = response.status.code >= 400
        context.logger.log(
            level: isRefused ? .notice : request.method == .get ? .debug : .info,
            "\(request.method) \(request.uri.path)",
            metadata: ["status": "\(response.status.code)"])
        return response
    }
}
