import HTTPTypes
import Hummingbird

/// Lets in who knows the token, and nobody whom another page sends.
///
/// The server listens on this machine alone, but every page that a browser of this machine shows can send it requests. So the
/// names in a request are checked before its token:
///
/// - `Host` names this machine. A page that has given its own name this machine's address (DNS rebinding) has another one.
/// - `Origin`, if there is one, is the same place as `Host`. A browser sends it with every POST, so a form or a script of
///   another page, or of another server on this machine, is found out.
///
/// Programs send the token with each request, `Authorization: Bearer …`. A browser opens the printed address, which has it
/// once, and is given a cookie for it, which no script can read, and the address without it.
struct Access<Context: RequestContext>: RouterMiddleware {
    let token: Token

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response,
    ) async throws -> Response {
        let host = try checkHost(of: request)
        try checkOrigin(of: request, is: "http://\(host)")
        if let guess = request.uri.queryParameters[Substring(Place.tokenParameter)], request.uri.path == "/" {
            guard token.matches(guess) else { throw Refusal.wrongToken }
            return exchanged()
        }
        try checkToken(of: request)
        return try await next(request, context)
    }

    private func checkHost(of request: Request) throws(Refusal) -> String {
        let host = request.head.authority ?? ""
        // Whatever the port: it is another one at the near end of a tunnel.
        guard let name = host.split(separator: ":").first, Place.names.contains(String(name)) else {
            throw .foreignHost
        }
        return host
    }

    private func checkOrigin(of request: Request, is origin: String) throws(Refusal) {
        if let sender = request.headers[.origin], sender != origin { throw .foreignOrigin }
        // Browsers of today also say it of requests that have no Origin.
        if let site = request.headers[.secFetchSite], site != "same-origin", site != "none" { throw .foreignOrigin }
    }

    private func checkToken(of request: Request) throws(Refusal) {
        if let header = request.headers[.authorization] {
            guard header.hasPrefix("Bearer "), token.matches(header.dropFirst(7)) else { throw .wrongToken }
            return
        }
        guard let cookie = request.cookies[token.cookieName] else { throw .noToken }
        guard token.matches(cookie.value) else { throw .wrongToken }
        // What changes something comes from the page: a cookie goes with requests that others have made up, too.
        let isReading = request.method == .get || request.method == .head
        guard isReading || request.headers[.origin] != nil else { throw .noOrigin }
    }

    /// The cookie for the token, and the way to the page's address without it.
    private func exchanged() -> Response {
        var response = Response.redirect(to: "/")
        response.setCookie(
            Cookie(
                name: token.cookieName, value: token.text, maxAge: 30 * 86_400, path: "/", httpOnly: true,
                sameSite: .strict))
        return response
    }
}

extension HTTPField.Name {
    static let secFetchSite = HTTPField.Name("Sec-Fetch-Site")!
}
