/// How far a named writer of a session has come.
public struct WriterState: Hashable, Sendable, Codable {
    /// Its name.
    public var name: String
    /// The highest number of a line that the keeper has taken; 0: none.
    public var last: UInt64
    /// The highest number of a line that the child's pipe has; 0: none.
    public var acknowledged: UInt64
    /// True if it has a connection now; nil in a record.
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
