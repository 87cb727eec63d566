/// The end of a session.
public struct SessionExit: Hashable, Sendable, Codable {
    /// The reason for the end.
    public enum Reason: String, Hashable, Sendable, Codable {
        /// The child ended by itself.
        case exited
        /// A client asked for the end.
        case stopped
        /// The child ended within 300 ms of its start.
        case crashedAtStart = "crashed-at-start"
        /// There was no child: its program could not be started.
        case cannotStart = "cannot-start"
        /// A signal to the keeper asked for the end.
        case keeperSignalled = "keeper-signalled"
        /// The keeper was killed, or the system went down. The end of the child is not known.
        case keeperLost = "keeper-lost"
        /// A reason that only later versions know.
        case unknown
    }

    /// The steps of a stop.
    public enum Step: String, Hashable, Sendable, Codable {
        /// The end of the child's input.
        case eof
        /// SIGTERM.
        case term
        /// SIGKILL.
        case kill
    }

    /// The output that was kept.
    public struct Output: Hashable, Sendable, Codable {
        /// Standard output.
        public var out: KeptRange
        /// Standard error.
        public var err: KeptRange
        /// True if a process started by the child still had a stream open, so that the end of the stream was not waited
        /// for.
        public var held: Bool

        package init(out: KeptRange, err: KeptRange, held: Bool) {
            self.out = out
            self.err = err
            self.held = held
        }

        /// The bytes of a stream that are kept.
        public subscript(stream: ChildStream) -> KeptRange {
            switch stream {
            case .out: out
            case .err: err
            }
        }
    }

    /// The child's exit code; nil if a signal ended it, or the end is not known.
    public var code: Int32?
    /// The signal that ended the child, without `SIG`: `TERM`, `SEGV`.
    public var signal: String?
    /// The reason for the end.
    public var reason: Reason
    /// The step of a stop after which no process was left.
    public var by: Step?
    /// The time of the end, in UTC: `2026-01-02T03:04:05.678Z`. For ``Reason/keeperLost`` the time at which it was
    /// found out.
    public var at: String
    /// Processes of the session that still ran; 64 at most.
    public var leftBehind: [Int32]
    /// The output that was kept; nil if none was.
    public var output: Output?
    /// The bytes in the child's stdin that it never read; nil if its stdin was closed before its end, so that they
    /// could not be counted.
    public var inputUnread: Int?
    /// The writers, those with unacknowledged lines first; 64 at most.
    public var writers: [WriterState]
    /// The end of the child's standard error, 4 KiB at most; empty if it was not kept.
    public var stderrTail: String
    /// True if a process of the session, which had a control group of its own, was killed for lack of memory: by the
    /// kernel, at the session's limit or the machine's, or by systemd-oomd. Nil if none was.
    public var oom: Bool?
    /// For ``Reason/keeperLost``: true if the child still ran without its keeper.
    public var childStillRan: Bool?

    package init(reason: Reason, at: String) {
        self.reason = reason
        self.at = at
        leftBehind = []
        writers = []
        stderrTail = ""
    }

    /// The status for a shell: the exit code, or 128 plus the signal's number; nil if neither is known.
    public var shellStatus: Int32? {
        if let code { return code }
        return signal.flatMap { SignalNumbers.number(of: $0) }.map { 128 + $0 }
    }

    // MARK: JSON

    package var json: JSONValue {
        var members: [JSONValue.Member] = [
            .init("code", JSONValue(code.map(Int.init))), .init("signal", JSONValue(signal)),
            .init("reason", .string(reason.rawValue)), .init("by", JSONValue(by?.rawValue)), .init("at", .string(at)),
            .init("leftBehind", .array(leftBehind.map { .number(Int($0)) })),
        ]
        if let output {
            members.append(
                .init("output", ["out": output.out.json, "err": output.err.json, "held": .bool(output.held)]))
        }
        members += [
            .init("inputUnread", JSONValue(inputUnread)), .init("writers", .array(writers.map(\.json))),
            .init("stderrTail", .string(stderrTail)),
        ]
        if let oom { members.append(.init("oom", .bool(oom))) }
        if let childStillRan { members.append(.init("childStillRan", .bool(childStillRan))) }
        return .object(members)
    }

    /// Nil if the value is no such object. Members that a later version leaves out get their defaults.
    package init?(_ json: JSONValue?) {
        guard let json, let reason = json["reason"]?.text, let at = json["at"]?.text
        else { return nil }
        self.init(reason: Reason(rawValue: reason) ?? .unknown, at: at)
        code = json["code"]?.number.flatMap { Int32(exactly: $0) }
        signal = json["signal"]?.text
        by = json["by"]?.text.flatMap(Step.init(rawValue:))
        leftBehind = json["leftBehind"]?.elements?.compactMap { $0.number.flatMap { Int32(exactly: $0) } } ?? []
        if let out = KeptRange(json["output"]?["out"]), let err = KeptRange(json["output"]?["err"]) {
            output = Output(out: out, err: err, held: json["output"]?["held"]?.flag ?? false)
        }
        inputUnread = json["inputUnread"]?.number
        writers = json["writers"]?.elements?.compactMap { WriterState($0) } ?? []
        stderrTail = json["stderrTail"]?.text ?? ""
        oom = json["oom"]?.flag
        childStillRan = json["childStillRan"]?.flag
    }
}
