import HTTPTypes
import Hummingbird
import UVKeeper

/// Why a request is refused: as JSON, `{"error": {"code": …, "message": …}}`, with a word for programs and a sentence for
/// people that says what to do.
struct Refusal: Error, HTTPResponseError {
    let status: HTTPResponse.Status
    let code: String
    let message: String

    init(_ status: HTTPResponse.Status, _ code: String, _ message: String) {
        self.status = status
        self.code = code
        self.message = message
    }

    func response(from request: Request, context: some RequestContext) throws -> Response {
        let body = ["error": ["code": code, "message": message]]
        var response = try context.responseEncoder.encode(body, from: request, context: context)
        response.status = status
        return response
    }
}

extension Refusal {
    static let foreignHost = Refusal(
        .misdirectedRequest, "foreign-host",
        "this server answers to \(Place.names.sorted().joined(separator: " and ")) only")
    static let foreignOrigin = Refusal(
        .forbidden, "foreign-origin", "another page has sent this request; use the page of this server")
    static let noOrigin = Refusal(
        .forbidden, "no-origin",
        "a request with the cookie that changes something needs an Origin; programs send the token: "
            + "Authorization: Bearer TOKEN")
    static let noToken = Refusal(
        .unauthorized, "no-token",
        "open the address that the server printed at its start, or send its token: "
            + "Authorization: Bearer TOKEN")
    static let wrongToken = Refusal(
        .unauthorized, "wrong-token", "this is not the server's token; the address that it printed at its start has it")
    static let noRoute = Refusal(
        .notFound, "no-route", "there is nothing here; see README.md of the dashboard for what there is")
    static let tooLarge = Refusal(
        .contentTooLarge, "too-large", "the body is larger than \(Body.limit) bytes; send it in parts")
    static let tooManyStreams = Refusal(
        .serviceUnavailable, "too-many-streams", "\(StreamSlots.limit) streams of events are open; close some of them")

    static let ending = Refusal(
        .serviceUnavailable, "ending",
        "the server ends, and what becomes of this is not known yet; ask the next one for the session")

    static func noSession(_ id: SessionID) -> Refusal {
        Refusal(.notFound, "no-session", "there is no session \(id); GET /api/sessions lists those that there are")
    }

    static func noOutput(_ id: SessionID) -> Refusal {
        Refusal(.conflict, "no-output", "session \(id) keeps no output; start it here, or with output kept")
    }

    static func badRequest(_ message: String) -> Refusal { Refusal(.badRequest, "bad-request", message) }

    /// What the keepers say.
    init(_ error: KeeperError) {
        switch error {
        case .invalidSession: self.init(.badRequest, "invalid-id", "\(error)")
        case .socketPathTooLong: self.init(.badRequest, "id-too-long", "\(error)")
        case .unusable, .cannotStart, .invalidCommand, .noWorkingDirectory:
            self.init(.unprocessableContent, "cannot-start", "\(error)")
        case .keeperEnded: self.init(.unprocessableContent, "ended-at-start", "\(error)")
        case .invalidLabels: self.init(.badRequest, "invalid-labels", "\(error)")
        case .sessionTaken, .formerChildRuns: self.init(.conflict, "session-taken", "\(error)")
        case .sessionEnded: self.init(.conflict, "session-ended", "\(error)")
        case .inputClosed: self.init(.conflict, "input-closed", "\(error)")
        case .noChannel: self.init(.conflict, "no-channel", "\(error)")
        case .lineTooLong: self.init(.contentTooLarge, "line-too-long", "\(error)")
        case .requestTooLong: self.init(.contentTooLarge, "request-too-long", "\(error)")
        case .queueFull: self.init(.serviceUnavailable, "queue-full", "\(error)")
        case .timedOut: self.init(.gatewayTimeout, "timed-out", "\(error)")
        case .frozen: self.init(.gatewayTimeout, "frozen", "\(error)")
        case .connection: self.init(.conflict, "no-keeper", "\(error)")
        case .channel(_, "argument", _): self.init(.badRequest, "bad-request", "\(error)")
        case .channel(_, let code, _): self.init(.conflict, code, "\(error)")
        case .closed: self.init(.serviceUnavailable, "closing", "the server is about to end; ask the next one")
        default: self.init(.internalServerError, "keeper", "\(error)")
        }
    }
}
