import HTTPTypes
import Hummingbird

/// What every answer says: to browsers that nothing comes from elsewhere, no script but the page's files runs, and nobody may
/// show the page within another one; to everybody that nothing is to be stored.
struct SafeHeaders<Context: RequestContext>: RouterMiddleware {
    private static var headers: HTTPFields {
        [
            .contentSecurityPolicy: """
            default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
            base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'
            """,
            .xContentTypeOptions: "nosniff",
            HTTPField.Name("Referrer-Policy")!: "no-referrer",
            HTTPField.Name("Cross-Origin-Opener-Policy")!: "same-origin",
            HTTPField.Name("Cross-Origin-Resource-Policy")!: "same-origin",
            .cacheControl: "no-store",
        ]
    }

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response,
    ) async throws -> Response {
        var response: Response
        do {
            response = try await next(request, context)
        } catch let error as any HTTPResponseError {
            // Refusals have them, too. The router's own says nothing.
            let refusal: any HTTPResponseError =
                error.status == .notFound && error is HTTPError ? Refusal.noRoute : error
            response = try refusal.response(from: request, context: context)
        }
        for field in Self.headers { response.headers[field.name] = field.value }
        return response
    }
}
