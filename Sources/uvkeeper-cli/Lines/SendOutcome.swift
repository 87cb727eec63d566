import ArgumentParser
import UVKeeper

/// The outcome of the lines that a command was to send.
enum SendOutcome {
    /// All of them are in the child's stdin.
    case written
    /// The rest of them, or all, were not handed over.
    case refused(SendFailure)
    /// Nobody knows which of them arrive.
    case unknown(SendFailure)

    init(_ outcome: WriteOutcome) {
        switch outcome {
        case .written, .sent: self = .written
        case .refused(let error): self = .refused(.keeper(error))
        case .unknown(let error): self = .unknown(.keeper(error))
        }
    }

    var exitCode: ExitCode {
        switch self {
        case .written: .success
        case .refused: .failure
        case .unknown: .unknownOutcome
        }
    }
}

/// Why lines were not sent, or not confirmed.
enum SendFailure {
    case keeper(KeeperError)
    /// A line was handed over, and nobody knows whether it arrives.
    case unknown(KeeperError)
    /// The next line has more bytes than are allowed; so many lines before it are written.
    case tooLong(maximum: Int, written: Int)
    /// The session took so many lines and ended, before the rest of the input came.
    case sessionEnded(written: Int)
}

/// A failure in words, with what else is known of its cause.
struct SendExplanation {
    let session: SessionID
    let manager: KeeperManager

    /// - Parameter written: how many lines before it the child's stdin has.
    func text(_ failure: SendFailure, written: Int = 0) -> String {
        switch failure {
        case .keeper(let error), .unknown(let error):
            text(error) + (written == 0 ? "" : "; the \(written) lines before it are written")
        case .sessionEnded(written: 0): ended
        case .tooLong(let maximum, let written):
            "a line is longer than \(maximum) bytes, its newline included, and nothing of it was sent"
                + (written == 0 ? "" : "; the \(written) lines before it are written")
        case .sessionEnded(let written):
            "the session took \(written) lines and ended before the rest came; "
                + SessionEnd.text(manager.session(session).record?.exit) + "; uvkeeper logs \(session) may tell why"
        }
    }

    private func text(_ error: KeeperError) -> String {
        switch error {
        case .connection(_, .noEntry), .connection(_, .connectionRefused):
            return SessionAbsence.unreachable(error, session, manager)?.description ?? "\(error)"
        case .connection(_, .connectionReset), .connection(_, .brokenPipe):
            return "\(error); uvkeeper logs \(session) may tell why"
        case .sessionEnded: return ended
        case .timedOut(let time): return ErrorText.of(KeeperError.silence(of: session, for: time, manager.paths))
        default: return ErrorText.of(error)
        }
    }

    /// The session has ended, or there is none.
    private var ended: String {
        guard let record = manager.session(session).record else {
            return "\(KeeperError.connection(manager.paths.socket(for: session), .noEntry))"
        }
        return "session \(session) has ended; " + SessionEnd.text(record.exit)
    }
}
