/// What is going on in a session.
public struct SessionStatus: Hashable, Sendable, Codable {
    /// The part of its life that a session is in.
    public enum State: String, Hashable, Sendable, Codable {
        /// Within 300 ms of its child's start.
        case starting
        case running
        /// Its processes are being ended.
        case stopping
    }

    /// The keeper, or its child.
    public struct Process: Hashable, Sendable, Codable {
        /// Its id.
        public var pid: Int32
        /// The keeper's version; nil for the child.
        public var version: String?
        /// When it started, in UTC.
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

    /// How many connections a keeper has.
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

    /// A number for each of the child's two streams.
    public struct Streams<Value: Hashable & Sendable & Codable>: Hashable, Sendable, Codable {
        /// Standard output's.
        public var out: Value
        /// Standard error's.
        public var err: Value

        @inlinable package init(out: Value, err: Value) {
            self.out = out
            self.err = err
        }

        /// One stream's.
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
    /// 16 hexadecimal digits that name this life of the session.
    public var epoch: String
    /// The part of its life that it is in.
    public var state: State
    /// The keeper.
    public var keeper: Process
    /// The child.
    public var child: Process
    /// Lines that have come for the child since the keeper started.
    public var linesIn: UInt64
    /// The bytes of these lines.
    public var bytesIn: UInt64
    /// Bytes that wait for the child to read.
    public var queuedBytes: Int
    /// Since when the child has not read; nil if nothing waits for it.
    public var blockedSince: String?
    /// When the last line came; nil: never.
    public var lastInputAt: String?
    /// When the child last wrote something that its keeper saw; nil: never.
    public var lastOutputAt: String?
    /// How many connections the keeper has.
    public var clients: Clients
    /// The writers with a connection, then those that were used last; 64 at most.
    public var writers: [WriterState]
    /// How many writers the keeper knows.
    public var writersTotal: Int
    /// What is kept of the output; nil if none is.
    public var output: Streams<KeptRange>?
    /// Bytes of the output that could not be written, for a full disk for instance.
    public var lostOutput: Streams<UInt64>
    /// The session's labels.
    public var labels: SessionLabels
    /// The keeper's control group; nil where the system has none, and from keepers before 0.3.
    public var controlGroup: String?
    /// True if the session lives on when the service that started it is stopped or restarted, false if it ends, nil if it is
    /// unknown. See ``SessionPlace``.
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

    /// Where the keeper is among the control groups.
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
