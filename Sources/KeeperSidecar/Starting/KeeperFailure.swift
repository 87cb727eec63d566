internal import KeeperProtocol

/// The failure of a start or of a session: the keeper's exit status, and the sentence for the log.
struct KeeperFailure: Error {
    let status: KeeperExitStatus
    let reason: String

    /// A short reason for the log's last line.
    var summary: String {
        switch status {
        case .ended: "ended"
        case .childFailed: "pi cannot be started"
        case .badConfiguration: "not usable"
        case .sessionTaken: "the session is taken"
        }
    }

    static func badConfiguration(_ reason: String) -> KeeperFailure {
        KeeperFailure(status: .badConfiguration, reason: reason)
    }

    static func childFailed(_ reason: String) -> KeeperFailure {
        KeeperFailure(status: .childFailed, reason: reason)
    }

    static func sessionTaken(_ reason: String) -> KeeperFailure {
        KeeperFailure(status: .sessionTaken, reason: reason)
    }
}
