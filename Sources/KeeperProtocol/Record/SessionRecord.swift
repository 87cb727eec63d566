/// The record of a session, what it is and how it ended: `<id>.session.json` in the sessions directory.
///
/// The keeper writes the record before the child starts, and again at the end. The environment is never in it.
public struct SessionRecord: Hashable, Sendable, Codable {
    /// A process, told from every other process of this boot that has had its id.
    public struct Process: Hashable, Sendable, Codable {
        /// The process id.
        public var pid: Int32
        /// The time of its start, in clock ticks since the system booted; nil if the system does not tell.
        public var startTicks: UInt64?
        /// The version of a keeper; nil for a child.
        public var version: String?

        package init(pid: Int32, startTicks: UInt64?, version: String? = nil) {
            self.pid = pid
            self.startTicks = startTicks
            self.version = version
        }

        package var json: JSONValue {
            let members: [JSONValue.Member] = [
                .init("pid", .number(Int(pid))), .init("startTicks", startTicks.map { JSONValue($0) } ?? .null),
            ]
            return .object(members + (version.map { [.init("version", .string($0))] } ?? []))
        }

        package init?(_ json: JSONValue?) {
            guard let json, let pid = json["pid"]?.number.flatMap({ Int32(exactly: $0) }), pid > 0 else { return nil }
            self.init(
                pid: pid, startTicks: json["startTicks"]?.number.map(UInt64.init), version: json["version"]?.text)
        }
    }

    /// The most bytes kept of the command, and of the working directory.
    package static let longestText = 16384
    /// The longest record that is read, in bytes.
    package static let longestRecord = 1 << 20

    /// The session's name.
    public var session: String
    /// The name of this life of the session: 16 hexadecimal digits.
    public var epoch: String
    /// The id of the boot that the session was started in; empty if the system does not tell.
    public var bootID: String
    /// The keeper.
    public var keeper: Process
    /// The child; nil before it has started.
    public var child: Process?
    /// The child's program and its arguments; nil if the session was started without keeping them.
    public var command: [String]?
    /// The directory that the child was started in.
    public var cwd: String
    /// True if the command or the directory was too long, and was cut.
    public var cut: Bool?
    /// The time at which the session started, in UTC.
    public var startedAt: String
    /// The labels, by which the session's users find it again.
    public var labels: SessionLabels
    /// The keeper's control group; nil if the system has none, and from keepers before 0.3.
    public var controlGroup: String?
    /// True if the session lives on when the service that started it is stopped or restarted, false if it ends, nil if
    /// that is unknown. See ``SessionPlace``.
    public var survivesServiceStop: Bool?
    /// The end of the session; nil while its keeper lives, or if the keeper was killed.
    public var exit: SessionExit?

    package init(session: String, epoch: String, bootID: String, keeper: Process, cwd: String, startedAt: String) {
        self.session = session
        self.epoch = epoch
        self.bootID = bootID
        self.keeper = keeper
        self.cwd = cwd
        self.startedAt = startedAt
        labels = [:]
    }

    /// The keeper's place among the control groups.
    public var place: SessionPlace {
        get { SessionPlace(controlGroup: controlGroup, survivesServiceStop: survivesServiceStop) }
        set { (controlGroup, survivesServiceStop) = (newValue.controlGroup, newValue.survivesServiceStop) }
    }

    /// True if the text has the form of an epoch.
    package static func isEpoch(_ text: some StringProtocol) -> Bool {
        text.utf8.count == 16
            && text.utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }

    /// The epoch made from a random number.
    package static func epoch(random: UInt64) -> String {
        // A loop, and not the generic `String(_:radix:)`, whose memory a keeper would never give back.
        let digits = Array("0123456789abcdef".utf8)
        let epoch = (0..<16).map { digits[Int(random >> UInt64(60 - 4 * $0) & 15)] }
        return String(decoding: epoch, as: UTF8.self)
    }

    // MARK: JSON

    package var json: JSONValue {
        var members: [JSONValue.Member] = [
            .init("v", 1), .init("session", .string(session)), .init("epoch", .string(epoch)),
            .init("bootID", .string(bootID)), .init("keeper", keeper.json), .init("child", child?.json ?? .null),
        ]
        if let command { members.append(.init("command", JSONValue(command))) }
        members.append(.init("cwd", .string(cwd)))
        if cut == true { members.append(.init("cut", true)) }
        members += place.members
        members += [
            .init("startedAt", .string(startedAt)), .init("labels", labels.json),
            .init("exit", exit?.json ?? .null),
        ]
        return .object(members)
    }

    /// The record in a file's bytes; nil if they are no record, which counts as no record at all.
    package init?(_ bytes: [UInt8]) {
        let json: JSONValue
        do throws(JSONError) { json = try JSONValue(bytes, depth: 6) } catch { return nil }
        guard json["v"] == 1, let session = json["session"]?.text, let epoch = json["epoch"]?.text,
            SessionRecord.isEpoch(epoch), let keeper = Process(json["keeper"]), let startedAt = json["startedAt"]?.text
        else { return nil }
        self.init(
            session: session, epoch: epoch, bootID: json["bootID"]?.text ?? "", keeper: keeper,
            cwd: json["cwd"]?.text ?? "", startedAt: startedAt)
        child = Process(json["child"])
        command = json["command"]?.elements?.compactMap(\.text)
        cut = json["cut"] == true ? true : nil
        labels = SessionLabels(found: json["labels"])
        place = SessionPlace(json)
        exit = SessionExit(json["exit"])
    }
}
