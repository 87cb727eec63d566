import ArgumentParser
import UVKeeper

/// The outcome of the lines that a command was to send.
enum SendOutcome {
    /// All lines are in the child's stdin.
    case written
    /// All lines were handed over, some or all to a keeper without a channel, which cannot say more.
    case sent
    /// The remaining lines, or all, were not handed over.
    case refused(SendFailure)
    /// Some lines may not arrive, and it is not known which.
    case unknown(SendFailure)

    init(_ outcome: WriteOutcome) {
        switch outcome {
        case .written: self = .written
        case .sent: self = .sent
        case .refused(let error): self = .refused(.keeper(error))
        case .unknown(let error): self = .unknown(.keeper(error))
        }
    }

    var exitCode: ExitCode {
        switch self {
        case .written, .sent: .success
        case .refused: .failure
        case .unknown: .unknownOutcome
        }
    }
}

/// The reason why lines were not sent, or not confirmed.
enum SendFailure {
    case keeper(KeeperError)
    /// A line was handed over, and may not arrive.
    case unknown(KeeperError)
    /// The next line has more bytes than allowed; this many lines before it are written.
    case tooLong(maximum: Int, written: Int)
    /// The session took this many lines and ended before the rest of the input came.
    case sessionEnded(written: Int)
}

/// A failure in words, with further facts about its cause.
struct SendExplanation {
    let session: SessionID
    let manager: KeeperManager
    /// True if the lines before the failure are in the child's stdin, false if some were only handed over.
    var isConfirmed = true

    /// - Parameter written: the number of lines before the failure that were written, or handed over.
    func text(_ failure: SendFailure, written: Int = 0) -> String {
        switch failure {
        case .keeper(let error), .unknown(let error):
            text(error) + before(written)
        case .sessionEnded(written: 0): ended
        case .tooLong(let maximum, let written):
            "a line is longer than \(Output.count(maximum, "byte")), its newline included, and nothing of it was sent"
                + before(written)
        case .sessionEnded(let written):
            "the session took \(Output.count(written, "line")) and ended before the rest came; "
                + SessionEnd.text(manager.session(session).record?.exit) + "; uvkeeper logs \(session) may tell why"
        }
    }

    private func before(_ lines: Int) -> String {
        let word = isConfirmed ? "written" : "sent"
        return lines == 0
            ? "" : lines == 1 ? "; the line before it is \(word)" : "; the \(lines) lines before it are \(word)"
    }

    private func text(_ error: KeeperError) -> String {
        switch error {
        case .connection(_, .noEntry), .connection(_, .connectionRefused):
            let explained = SessionAbsence.explained(error, session, manager)
            guard case .sessionEnded? = explained as? KeeperError else { return "\(explained)" }
            return ended
        case .connection(_, .connectionReset), .connection(_, .brokenPipe):
            return "\(error); uvkeeper logs \(session) may tell why"
        case .sessionEnded: return ended
        case .timedOut(let time): return ErrorText.of(KeeperError.silence(of: session, for: time, manager.paths))
        default: return ErrorText.of(error)
        }
    }

    /// The text for a session that has ended, or that does not exist.
    private var ended: String {
        guard let record = manager.session(session).record else {
            return "\(KeeperError.connection(manager.paths.socket(for: session), .noEntry))"
        }
        return "session \(session) has ended; " + SessionEnd.text(record.exit)
    }
}
