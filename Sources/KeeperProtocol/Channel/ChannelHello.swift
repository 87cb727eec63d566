/// A keeper's first message: its identity, the verbs it knows, and the output it keeps.
package struct ChannelHello: Hashable, Sendable {
    /// The keeper's version.
    package var version: String
    package var protocolVersion: Int
    /// The verbs that the keeper knows; no others may be sent.
    package var verbs: [String]
    package var session: String
    package var epoch: String
    /// The longest line, in bytes, newline included.
    package var maximumLineLength: Int
    /// Nil if no output is kept.
    package var output: SessionStatus.Streams<KeptRange>?

    package init(
        version: String, session: String, epoch: String, maximumLineLength: Int,
        output: SessionStatus.Streams<KeptRange>?,
    ) {
        self.version = version
        protocolVersion = ChannelConstants.version
        verbs = ChannelVerb.allCases.map(\.rawValue)
        self.session = session
        self.epoch = epoch
        self.maximumLineLength = maximumLineLength
        self.output = output
    }

    package var json: JSONValue {
        [
            "uvkeeper": .string(version), "protocol": .number(protocolVersion), "verbs": JSONValue(verbs),
            "session": .string(session), "epoch": .string(epoch), "maxLine": .number(maximumLineLength),
            "output": output.map { ["out": $0.out.json, "err": $0.err.json] } ?? .null,
        ]
    }

    package init?(_ json: JSONValue) {
        guard let version = json["uvkeeper"]?.text, let protocolVersion = json["protocol"]?.number,
            let session = json["session"]?.text, let epoch = json["epoch"]?.text
        else { return nil }
        self.version = version
        self.protocolVersion = protocolVersion
        verbs = json["verbs"]?.elements?.compactMap(\.text) ?? []
        self.session = session
        self.epoch = epoch
        maximumLineLength = json["maxLine"]?.number ?? KeeperConstants.defaultMaximumLineLength
        if let out = KeptRange(json["output"]?["out"]), let err = KeptRange(json["output"]?["err"]) {
            output = .init(out: out, err: err)
        }
    }
}
