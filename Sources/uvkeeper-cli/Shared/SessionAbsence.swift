import KeeperProtocol
import UVKeeper

/// What stands behind an error of a session that nothing can be asked of: it has ended, or there is none.
enum SessionAbsence {
    static func explained(_ error: KeeperError, _ session: SessionID, _ manager: KeeperManager) -> KeeperError {
        guard case .connection(_, let cause) = error, cause == .noEntry || cause == .connectionRefused else {
            return error
        }
        let hasEnded = manager.session(session).record != nil && !manager.mayBeAlive(session)
        return hasEnded ? .sessionEnded(session) : .connection(manager.paths.socket(for: session), cause)
    }
}
