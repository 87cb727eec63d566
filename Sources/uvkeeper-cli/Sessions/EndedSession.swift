import KeeperProtocol
import UVKeeper

/// A session that has ended, as JSON.
struct EndedSession: Encodable {
    var session: String
    var state = "ended"
    var record: SessionRecord

    init(_ record: SessionRecord) {
        session = record.session
        self.record = record
    }
}
