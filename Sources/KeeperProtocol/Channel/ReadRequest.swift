/// The output that a client asks for.
package struct ReadRequest: Hashable, Sendable {
    /// The place at which reading begins.
    package enum Start: Hashable, Sendable {
        /// The oldest byte that is kept.
        case start
        /// The next byte to come.
        case end
        /// The last bytes before the end, so many, or as many of them as are kept.
        case last(UInt64)
        /// An offset for each stream.
        case offsets([ChildStream: UInt64])
    }

    package var streams: [ChildStream]
    package var from: Start
    /// The session's epoch that the offsets belong to; nil: the present epoch.
    package var epoch: String?
    /// True if later output is wanted too.
    package var follows: Bool

    package init(
        _ streams: [ChildStream] = [.out], from: Start = .end, epoch: String? = nil, follows: Bool = false,
    ) {
        self.streams = streams
        self.from = from
        self.epoch = epoch
        self.follows = follows
    }

    package var json: JSONValue {
        let from: JSONValue =
            switch from {
            case .start: "start"
            case .end: "end"
            case .last(let count): ["last": JSONValue(count)]
            case .offsets(let offsets):
                .object(streams.compactMap { name in offsets[name].map { .init(name.rawValue, JSONValue($0)) } })
            }
        var members: [JSONValue.Member] = [
            .init("streams", .array(streams.map { .string($0.rawValue) })), .init("from", from),
        ]
        if let epoch { members.append(.init("epoch", .string(epoch))) }
        if follows { members.append(.init("follow", true)) }
        return .object(members)
    }

    /// Throws what a keeper answers to a request with which no read can begin.
    package func check() throws(ChannelError) { _ = try ReadRequest(json) }

    package init(_ json: JSONValue) throws(ChannelError) {
        self.init()
        if let value = json["streams"] {
            let names = value.elements?.map { $0.text.flatMap(ChildStream.init(rawValue:)) } ?? []
            streams = names.compactMap(\.self)
            guard !streams.isEmpty, streams.count == names.count, Set(streams).count == streams.count else {
                throw ChannelError(.argument, .read, #"streams is an array of "out" and "err", each once at most"#)
            }
        }
        if let value = json["epoch"] {
            guard let text = value.text else { throw ChannelError(.argument, .read, "epoch is a string") }
            epoch = text
        }
        if let value = json["follow"] {
            guard let flag = value.flag else { throw ChannelError(.argument, .read, "follow is true or false") }
            follows = flag
        }
        if let value = json["from"] { from = try ReadRequest.start(value, of: streams) }
    }

    private static func start(_ value: JSONValue, of streams: [ChildStream]) throws(ChannelError) -> Start {
        if value == "start" { return .start }
        if value == "end" { return .end }
        guard let members = value.members else {
            throw ChannelError(.argument, .read, #"from is "start", "end" or an object"#)
        }
        if members.count == 1, let count = value["last"]?.number { return .last(UInt64(count)) }
        var offsets: [ChildStream: UInt64] = [:]
        for member in members {
            guard let stream = ChildStream(rawValue: member.name), let offset = member.value.number else {
                throw ChannelError(.argument, .read, #"from has an offset for each stream, or "last" alone"#)
            }
            offsets[stream] = UInt64(offset)
        }
        guard offsets.count == streams.count, streams.allSatisfy({ offsets[$0] != nil }) else {
            throw ChannelError(.argument, .read, "from has an offset for each stream that is asked for, and no other")
        }
        return .offsets(offsets)
    }
}
