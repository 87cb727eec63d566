/// The progress of a named writer of a session.
public struct WriterState: Hashable, Sendable, Codable {
    /// The writer's name.
    public var name: String
    /// The highest sequence number that the keeper has taken; 0 for none.
    public var last: UInt64
    /// The highest sequence number that is in the child's pipe; 0 for none.
    public var acknowledged: UInt64
    /// True if the writer has a connection now; nil in a record.
    public var connected: Bool?

    package init(name: String, last: UInt64, acknowledged: UInt64, connected: Bool? = nil) {
        self.name = name
        self.last = last
        self.acknowledged = acknowledged
        self.connected = connected
    }

    package var json: JSONValue {
        let members: [JSONValue.Member] = [
            .init("name", .string(name)), .init("last", JSONValue(last)),
            .init("acknowledged", JSONValue(acknowledged)),
        ]
        return .object(members + (connected.map { [.init("connected", .bool($0))] } ?? []))
    }

    package init?(_ json: JSONValue) {
        guard let name = json["name"]?.text, let last = json["last"]?.number,
            let acknowledged = json["acknowledged"]?.number
        else { return nil }
        self.init(
            name: name, last: UInt64(last), acknowledged: UInt64(acknowledged), connected: json["connected"]?.flag)
    }
}
