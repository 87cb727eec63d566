import KeeperProtocol
import UVKeeper

/// The cause of an error about a session that does not answer: it has ended, does not exist, or lives and its sockets
/// are gone.
enum SessionAbsence {
    /// A live keeper without a socket, in words.
    struct Unreachable: Error, CustomStringConvertible {
        let description: String
    }

    static func explained(_ error: KeeperError, _ session: SessionID, _ manager: KeeperManager) -> any Error {
        guard case .connection(_, let cause) = error, cause == .noEntry || cause == .connectionRefused else {
            return error
        }
        if let unreachable = unreachable(error, session, manager) { return unreachable }
        let hasEnded = manager.session(session).record != nil && !manager.mayBeAlive(session)
        return hasEnded
            ? KeeperError.sessionEnded(session) : KeeperError.connection(manager.paths.socket(for: session), cause)
    }

    /// The words for a live keeper without a socket; nil if no keeper lives, or the error is another than a missing or
    /// refusing socket.
    static func unreachable(_ error: KeeperError, _ session: SessionID, _ manager: KeeperManager) -> Unreachable? {
        guard case .connection(let path, let cause) = error, cause == .noEntry || cause == .connectionRefused,
            let keeper = manager.status(of: session), [.starting, .live].contains(keeper.state)
        else { return nil }
        let silence = KeeperError.silence(of: session, for: .zero, manager.paths)
        if case .frozen = silence { return Unreachable(description: "\(silence)") }
        let subject = "the keeper of session \(session)" + (keeper.keeperPID.map { ", process \($0)," } ?? "")
        guard keeper.state != .starting, keeper.age ?? .zero > KeeperConstants.longestStart else {
            return Unreachable(description: "\(subject) is starting, and does not listen on \(path) yet")
        }
        let state = cause == .noEntry ? "its socket \(path) is gone" : "nobody listens on its socket \(path)"
        // An original keeper takes the signal for something else.
        let remedy =
            if let pid = keeper.keeperPID, manager.session(session).record != nil {
                "kill -USR1 \(pid) makes it anew"
            } else {
                "uvkeeper kill \(session) ends it"
            }
        return Unreachable(description: "\(subject) lives, and \(state); \(remedy)")
    }
}
