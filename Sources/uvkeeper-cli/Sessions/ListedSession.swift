import KeeperProtocol
import UVKeeper

/// A session as JSON.
struct ListedSession: Encodable {
    var session: String
    var state: String?
    var keeperPID: Int32?
    var childPID: Int32?
    var ageSeconds: Int64?
    var keeperMemoryBytes: UInt64?
    var childMemoryBytes: UInt64?
    var socket: String
    var labels: SessionLabels?
    var controlGroup: String?
    var survivesServiceStop: Bool?

    init(session: String, state: String?, keeperPID: Int32?, childPID: Int32?, socket: String) {
        self.session = session
        self.state = state
        self.keeperPID = keeperPID
        self.childPID = childPID
        self.socket = socket
    }

    init(_ status: KeeperStatus, _ labels: SessionLabels = [:], _ place: SessionPlace = SessionPlace()) {
        session = status.session.rawValue
        state = status.state.rawValue
        keeperPID = status.keeperPID
        childPID = status.childPID
        ageSeconds = status.age?.components.seconds
        keeperMemoryBytes = status.keeperMemory
        childMemoryBytes = status.childMemory
        socket = status.socketPath
        self.labels = labels.isEmpty ? nil : labels
        controlGroup = place.controlGroup
        survivesServiceStop = place.survivesServiceStop
    }
}
