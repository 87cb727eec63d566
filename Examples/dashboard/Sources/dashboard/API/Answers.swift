import HTTPTypes
import Hummingbird
import UVKeeper
import UVKeeperAsync

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A value as JSON.
struct Answer<Value: Encodable & Sendable>: ResponseGenerator {
    let value: Value
    let status: HTTPResponse.Status

    init(_ value: Value, _ status: HTTPResponse.Status = .ok) {
        self.value = value
        self.status = status
    }

    func response(from request: Request, context: some RequestContext) throws -> Response {
        Response(
            status: status, headers: [.contentType: "application/json; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: try JSON.encode(value))))
    }
}

/// How answers and events are written.
enum JSON {
    static func encode(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        return try encoder.encode(value)
    }
}

/// What became of lines, in their order.
struct LineOutcomes: Encodable {
    private struct Outcome: Encodable {
        let outcome: String
        /// Why it was not written, or not for certain.
        var code: String?
        var message: String?
    }

    private let outcomes: [Outcome]

    init(_ outcomes: [WriteOutcome]) {
        self.outcomes = outcomes.map { outcome in
            switch outcome {
            case .written: Outcome(outcome: "written")
            case .sent: Outcome(outcome: "sent")
            case .refused(let error): Outcome(outcome: "refused", code: Refusal(error).code, message: "\(error)")
            case .unknown(let error): Outcome(outcome: "unknown", code: Refusal(error).code, message: "\(error)")
            }
        }
    }
}

/// What became of a session that was stopped.
struct StopAnswer: Encodable {
    private let result: String
    private let exit: SessionView.Exit?
    /// The processes that could not be ended.
    private let survivors: [Int32]?

    init(_ stopped: StoppedSession, of id: SessionID) throws(Refusal) {
        exit = stopped.exit.map { SessionView.Exit($0) }
        var survivors: [Int32]?
        switch stopped.result {
        case .notFound: result = "not-running"
        case .stopped: result = "stopped"
        case .killed: result = "killed"
        case .survived(let processes):
            result = "survived"
            survivors = processes.map(\.pid)
        case .stillServed: result = "still-served"
        case .notPermitted:
            throw Refusal(
                .conflict, "not-permitted",
                "session \(id) belongs to somebody else, or what serves it is not shown to be a keeper; nothing was ended"
            )
        case .closed: throw Refusal(.closed)
        case .failed(let error): throw Refusal(error)
        }
        self.survivors = survivors
    }
}
