package import UVLoop

/// A client's message. `write` is followed by its payload.
package enum ChannelRequest: Hashable, Sendable {
    /// Names the writer of all further lines of the connection.
    case writer(WriterName, epoch: String?, last: UInt64?)
    /// A line of so many bytes, with or without its newline.
    case write(sequence: UInt64, length: Int)
    case read(ReadRequest)
    case status
    case endInput
    case signal(Signal)
    case stop(StopLadder)
    case label([JSONValue.Member])
    case ping

    /// Reads a header.
    ///
    /// - Parameter header: without its newline.
    package init(_ header: UnsafeRawBufferPointer) throws(ChannelError) {
        var fields = HeaderFields(header)
        guard let word = fields.next(), word.count <= 32,
            word.allSatisfy({ (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || $0 == UInt8(ascii: "-") })
        else { throw ChannelError(.grammar, "-", "a message begins with a verb in lower case") }
        let name = String(decoding: word, as: UTF8.self)
        guard let verb = ChannelVerb(rawValue: name) else {
            throw ChannelError(.unknownVerb, name, "this keeper does not know it")
        }
        self = try ChannelRequest.request(verb, &fields)
        guard fields.isAtEnd else { throw ChannelError(.grammar, verb, "there are too many fields") }
    }

    private static func request(
        _ verb: ChannelVerb, _ fields: inout HeaderFields,
    ) throws(ChannelError) -> ChannelRequest {
        switch verb {
        case .writer:
            guard let text = fields.text() else { throw ChannelError(.grammar, verb, "a name is missing") }
            guard let name = WriterName(text) else {
                throw ChannelError(
                    .argument, verb, "a name has 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit")
            }
            return try writer(name, try object(&fields, verb))
        case .write:
            guard let sequence = fields.number(), let length = fields.number() else {
                throw ChannelError(.grammar, verb, "write is followed by two numbers")
            }
            return .write(sequence: sequence, length: Int(length))
        case .read: return .read(try ReadRequest(try object(&fields, verb) ?? .object([])))
        case .status: return .status
        case .endInput: return .endInput
        case .signal:
            guard let name = fields.text() else { throw ChannelError(.grammar, verb, "a name is missing") }
            guard let signal = SignalName.signal(name) else {
                throw ChannelError(.argument, verb, "a signal is one of \(SignalName.list)")
            }
            return .signal(signal)
        case .stop: return .stop(try ladder(try object(&fields, verb)))
        case .label:
            guard let labels = try object(&fields, verb)?.members else {
                throw ChannelError(.argument, verb, "an object is missing")
            }
            return .label(labels)
        case .ping: return .ping
        }
    }

    private static func object(
        _ fields: inout HeaderFields, _ verb: ChannelVerb,
    ) throws(ChannelError) -> JSONValue? {
        guard let text = fields.rest() else { return nil }
        do throws(JSONError) {
            guard text[0] == UInt8(ascii: "{") else { throw JSONError(offset: 0, reason: "no object begins") }
            return try JSONValue(text)
        } catch {
            throw ChannelError(.argument, verb, "\(error)")
        }
    }

    private static func writer(_ name: WriterName, _ json: JSONValue?) throws(ChannelError) -> ChannelRequest {
        let (epoch, last) = (json?["epoch"], json?["last"])
        guard epoch == nil || epoch?.text != nil else { throw ChannelError(.argument, .writer, "epoch is a string") }
        guard last == nil || last?.number != nil else { throw ChannelError(.argument, .writer, "last is a number") }
        return .writer(name, epoch: epoch?.text, last: last?.number.map(UInt64.init))
    }

    private static func ladder(_ json: JSONValue?) throws(ChannelError) -> StopLadder {
        func step(_ name: String) throws(ChannelError) -> Duration? {
            guard let value = json?[name] else { return nil }
            guard let milliseconds = value.number, milliseconds <= 3_600_000 else {
                throw ChannelError(.argument, .stop, "\(name) is a number from 0 to 3600000")
            }
            return .milliseconds(milliseconds)
        }
        return StopLadder(endOfInput: try step("eofMs"), terminate: try step("termMs"))
    }

    // MARK: Text

    package var verb: ChannelVerb {
        switch self {
        case .writer: .writer
        case .write: .write
        case .read: .read
        case .status: .status
        case .endInput: .endInput
        case .signal: .signal
        case .stop: .stop
        case .label: .label
        case .ping: .ping
        }
    }

    /// The header, newline included.
    package var header: [UInt8] {
        if case .write(let sequence, let length) = self {
            var header: [UInt8] = []
            WriteHeader(sequence: sequence, length: length).append(to: &header)
            return header
        }
        var header = Array(verb.rawValue.utf8)
        switch self {
        case .writer(let name, let epoch, let last):
            header += " \(name.rawValue)".utf8
            var members: [JSONValue.Member] = []
            if let epoch { members.append(.init("epoch", .string(epoch))) }
            if let last { members.append(.init("last", JSONValue(last))) }
            if !members.isEmpty { ChannelRequest.append(.object(members), to: &header) }
        case .read(let request): ChannelRequest.append(request.json, to: &header)
        case .signal(let signal): header += " \(SignalName.name(signal) ?? "?")".utf8
        case .stop(let ladder):
            var members: [JSONValue.Member] = []
            if let step = ladder.endOfInput { members.append(.init("eofMs", .number(StopLadder.milliseconds(step)))) }
            if let step = ladder.terminate { members.append(.init("termMs", .number(StopLadder.milliseconds(step)))) }
            if !members.isEmpty { ChannelRequest.append(.object(members), to: &header) }
        case .label(let members): ChannelRequest.append(.object(members), to: &header)
        case .write, .status, .endInput, .ping: break
        }
        header.append(UInt8(ascii: "\n"))
        return header
    }

    private static func append(_ json: JSONValue, to header: inout [UInt8]) {
        header.append(UInt8(ascii: " "))
        json.append(to: &header)
    }
}
