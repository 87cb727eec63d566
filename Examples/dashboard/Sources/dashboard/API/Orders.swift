import UVKeeper

/// The body of `POST /api/sessions`.
struct StartOrder: Decodable {
    let id: String
    /// The program and its arguments.
    let command: [String]
    /// Where it runs; without it the home directory.
    let directory: String?
    let labels: SessionLabels?
}

/// The body of `POST /api/sessions/ID/lines`.
struct LinesOrder: Decodable {
    /// As many as wait for one session at a time.
    static let mostLines = 10_000

    let lines: [String]
    /// How many seconds a line may wait for its keeper and its child.
    private let within: Double?

    var time: Duration { get throws(Refusal) { try .checked(within ?? 30, "within") } }
}

/// The body of `POST /api/sessions/ID/stop`: the seconds of the ladder's two steps. The keeper's own times are those that are
/// not given.
struct StopOrder: Decodable {
    private let endOfInput: Double?
    private let terminate: Double?

    var ladder: StopLadder {
        get throws(Refusal) {
            StopLadder(
                endOfInput: try endOfInput.map { (time) throws(Refusal) in try .checked(time, "endOfInput") },
                terminate: try terminate.map { (time) throws(Refusal) in try .checked(time, "terminate") })
        }
    }
}

extension Duration {
    fileprivate static func checked(_ seconds: Double, _ name: String) throws(Refusal) -> Duration {
        guard (0...3600).contains(seconds) else {
            throw .badRequest("\"\(name)\" is a number of seconds from 0 to 3600")
        }
        return .milliseconds(Int(seconds * 1000))
    }
}

extension SessionID {
    /// The id in a request.
    init(checking text: String) throws(Refusal) {
        do throws(SessionIDError) { try self.init(text) } catch { throw Refusal(.invalidSession(text, error)) }
    }
}
