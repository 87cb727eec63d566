/// The present state of a session, as its keeper reports it.
public struct SessionStatus: Hashable, Sendable, Codable {
    /// The part of its life that a session is in.
    public enum State: String, Hashable, Sendable, Codable {
        /// The first 300 ms after the child's start.
        case starting
        case running
        /// The session's processes are being ended.
        case stopping
    }

    /// The keeper, or its child.
    public struct Process: Hashable, Sendable, Codable {
        /// The process id.
        public var pid: Int32
        /// The keeper's version; nil for the child.
        public var version: String?
        /// The time of its start, in UTC.
        public var startedAt: String

        package init(pid: Int32, version: String? = nil, startedAt: String) {
            self.pid = pid
            self.version = version
            self.startedAt = startedAt
        }

        fileprivate var json: JSONValue {
            let version = version.map { [JSONValue.Member("version", .string($0))] } ?? []
            return .object([.init("pid", .number(Int(pid)))] + version + [.init("startedAt", .string(startedAt))])
        }

        fileprivate init?(_ json: JSONValue?) {
            guard let json, let pid = json["pid"]?.number.flatMap({ Int32(exactly: $0) }),
                let startedAt = json["startedAt"]?.text
            else { return nil }
            self.init(pid: pid, version: json["version"]?.text, startedAt: startedAt)
        }
    }

    /// The number of connections of a keeper.
    public struct Clients: Hashable, Sendable, Codable {
        /// On the raw socket.
        public var raw: Int
        /// On the channel.
        public var channel: Int

        package init(raw: Int, channel: Int) {
            self.raw = raw
            self.channel = channel
        }
    }

    /// A value for each of the child's two streams.
    public struct Streams<Value: Hashable & Sendable & Codable>: Hashable, Sendable, Codable {
        /// The value of standard output.
        public var out: Value
        /// The value of standard error.
        public var err: Value

        @inlinable package init(out: Value, err: Value) {
            self.out = out
            self.err = err
        }

        /// The value of one stream.
        public subscript(stream: ChildStream) -> Value {
            get {
                switch stream {
                case .out: out
                case .err: err
                }
            }
            set {
                switch stream {
                case .out: out = newValue
                case .err: err = newValue
                }
            }
        }
    }

    /// The session's name.
    public var session: String
    /// The name of this life of the session: 16 hexadecimal digits.
    public var epoch: String
    /// The part of its life that the session is in.
    public var state: State
    /// The keeper.
    public var keeper: Process
    /// The child.
    public var child: Process
    /// Lines taken for the child since the keeper started.
    public var linesIn: UInt64
    /// The bytes of these lines.
    public var bytesIn: UInt64
    /// Bytes that wait for the child to read them.
    public var queuedBytes: Int
    /// The time since which the child has not read, in UTC; nil if no bytes wait for it.
    public var blockedSince: String?
    /// The time at which the last line came, in UTC; nil if none has.
    public var lastInputAt: String?
    /// The time of the child's last output seen by its keeper, in UTC; nil if there was none.
    public var lastOutputAt: String?
    /// The number of the keeper's connections.
    public var clients: Clients
    /// The writers with a connection, then those used last; 64 at most.
    public var writers: [WriterState]
    /// The number of writers that the keeper knows.
    public var writersTotal: Int
    /// The output that is kept; nil if none is.
    public var output: Streams<KeptRange>?
    /// Bytes of the output that could not be written, because of a full disk for instance.
    public var lostOutput: Streams<UInt64>
    /// The session's labels.
    public var labels: SessionLabels
    /// The keeper's control group; nil if the system has none, and from keepers before 0.3.
    public var controlGroup: String?
    /// True if the session lives on when the service that started it is stopped or restarted, false if it ends, nil if
    /// that is unknown. See ``SessionPlace``.
    public var survivesServiceStop: Bool?

    package init(session: String, epoch: String, state: State, keeper: Process, child: Process) {
        self.session = session
        self.epoch = epoch
        self.state = state
        self.keeper = keeper
        self.child = child
        (linesIn, bytesIn, queuedBytes, writersTotal) = (0, 0, 0, 0)
        clients = Clients(raw: 0, channel: 0)
        writers = []
        lostOutput = Streams(out: 0, err: 0)
        labels = [:]
    }

    /// The keeper's place among the control groups.
    public var place: SessionPlace {
        get { SessionPlace(controlGroup: controlGroup, survivesServiceStop: survivesServiceStop) }
        set { (controlGroup, survivesServiceStop) = (newValue.controlGroup, newValue.survivesServiceStop) }
    }

    // MARK: JSON

    package var json: JSONValue {
        let members: [JSONValue.Member] = [
            .init("session", .string(session)), .init("epoch", .string(epoch)), .init("state", .string(state.rawValue)),
            .init("keeper", keeper.json), .init("child", child.json),
            .init("linesIn", JSONValue(linesIn)), .init("bytesIn", JSONValue(bytesIn)),
            .init("queuedBytes", .number(queuedBytes)), .init("blockedSince", JSONValue(blockedSince)),
            .init("lastInputAt", JSONValue(lastInputAt)), .init("lastOutputAt", JSONValue(lastOutputAt)),
            .init("clients", ["raw": .number(clients.raw), "channel": .number(clients.channel)]),
            .init("writers", .array(writers.map(\.json))), .init("writersTotal", .number(writersTotal)),
            .init("output", output.map { ["out": $0.out.json, "err": $0.err.json] } ?? .null),
            .init("lostOutput", ["out": JSONValue(lostOutput.out), "err": JSONValue(lostOutput.err)]),
            .init("labels", labels.json),
        ]
        return .object(members + place.members)
    }

    package init?(_ json: JSONValue) {
        guard let session = json["session"]?.text, let epoch = json["epoch"]?.text,
            let state = json["state"]?.text.flatMap(State.init(rawValue:)), let keeper = Process(json["keeper"]),
            let child = Process(json["child"])
        else { return nil }
        self.init(session: session, epoch: epoch, state: state, keeper: keeper, child: child)
        linesIn = UInt64(json["linesIn"]?.number ?? 0)
        bytesIn = UInt64(json["bytesIn"]?.number ?? 0)
        queuedBytes = json["queuedBytes"]?.number ?? 0
        blockedSince = json["blockedSince"]?.text
        lastInputAt = json["lastInputAt"]?.text
        lastOutputAt = json["lastOutputAt"]?.text
        clients = Clients(
            raw: json["clients"]?["raw"]?.number ?? 0, channel: json["clients"]?["channel"]?.number ?? 0)
        writers = json["writers"]?.elements?.compactMap { WriterState($0) } ?? []
        writersTotal = json["writersTotal"]?.number ?? writers.count
        if let out = KeptRange(json["output"]?["out"]), let err = KeptRange(json["output"]?["err"]) {
            output = Streams(out: out, err: err)
        }
        lostOutput = Streams(
            out: UInt64(json["lostOutput"]?["out"]?.number ?? 0), err: UInt64(json["lostOutput"]?["err"]?.number ?? 0))
        labels = SessionLabels(found: json["labels"])
        place = SessionPlace(json)
    }
}
