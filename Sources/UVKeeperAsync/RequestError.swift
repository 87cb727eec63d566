public import KeeperProtocol
public import UVKeeper

/// The reason why a question has no answer.
public enum RequestError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The message has no id, or is no JSON object on one line.
    case notARequest
    /// Another question with this id waits for its answer.
    case idInUse
    /// The line was not written, or it is not known if it was.
    case notWritten(WriteOutcome)
    /// The session keeps no output, so no answer can be read.
    case noOutput
    /// The output cannot be read.
    case unreadable(KeeperError)
    /// Some of the output was lost, and the answer may have been in it.
    case outputLost
    /// The session has ended before the answer; nil if it is not known how.
    case sessionEnded(SessionExit?)
    /// The question was written, but its answer did not come in time.
    case timedOut(Duration)
    /// The task was canceled, or the keepers closed. The question may have been written.
    case canceled

    /// The failure, and the remedy.
    public var description: String {
        switch self {
        case .notARequest: "the message is no JSON object with an id, on one line"
        case .idInUse: "a question with this id waits for its answer already; give each an id of its own"
        case .notWritten(let outcome): "the question was not written for certain: \(outcome)"
        case .noOutput: "the session keeps no output; start it with output kept"
        case .unreadable(let error): "the output cannot be read: \(error)"
        case .outputLost: "some of the output was lost, and the answer may have been in it; keep more of it"
        case .sessionEnded: "the session has ended before the answer"
        case .timedOut(let time): "no answer came within \(time)"
        case .canceled: "canceled"
        }
    }
}
