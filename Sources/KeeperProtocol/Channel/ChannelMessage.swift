/// A keeper's message. ``output(_:offset:length:)`` is followed by its payload.
package enum ChannelMessage: Hashable, Sendable {
    /// The place of a stream in the answer to a ``ReadRequest``.
    package struct Position: Hashable, Sendable {
        /// The offset at which the client asked to begin.
        package var from: UInt64
        package var kept: KeptRange

        package init(from: UInt64, kept: KeptRange) {
            self.from = from
            self.kept = kept
        }
    }

    indirect case hello(ChannelHello)
    /// The progress of a writer: the last number taken, and the last number in the child's pipe.
    case writer(WriterName, last: UInt64, acknowledged: UInt64)
    /// Every line of the writer up to this number is in the child's pipe.
    case acknowledged(UInt64)
    case reading([ChildStream: Position])
    case output(ChildStream, offset: UInt64, length: Int)
    /// Bytes of the stream in this range are gone.
    case gap(ChildStream, Range<UInt64>)
    /// Everything up to these offsets was sent.
    case end([ChildStream: UInt64])
    indirect case status(SessionStatus)
    case ok(ChannelVerb)
    indirect case exit(SessionExit)
    indirect case error(ChannelError)
    case pong

    /// The reason why a header is no message of a keeper.
    package struct Malformed: Error, Hashable, Sendable {
        package let reason: String

        package init(reason: String) { self.reason = reason }
    }

    /// Reads a header; nil for a verb that this version does not know.
    ///
    /// - Parameter header: without its newline.
    package static func read(_ header: UnsafeRawBufferPointer) throws(Malformed) -> ChannelMessage? {
        if let message = frequent(header) { return message }
        var fields = HeaderFields(header)
        guard let verb = fields.text() else { throw Malformed(reason: "a message without a verb") }
        guard let message = try message(verb, &fields) else { return nil }
        guard fields.isAtEnd else { throw Malformed(reason: "\(verb) has too many fields") }
        return message
    }

    /// The fast path of the commonest messages, which makes no text of their verb; nil for any other message, or a
    /// malformed one.
    private static func frequent(_ header: UnsafeRawBufferPointer) -> ChannelMessage? {
        guard header.count > 4 else { return nil }
        var fields = HeaderFields(UnsafeRawBufferPointer(rebasing: header[4...]))
        switch UInt32(littleEndian: header.loadUnaligned(as: UInt32.self)) {
        // "ack ", "out ", "err "
        case 0x206B_6361:
            guard let sequence = fields.number(), fields.isAtEnd else { return nil }
            return .acknowledged(sequence)
        case 0x2074_756F: return output(.out, &fields)
        case 0x2072_7265: return output(.err, &fields)
        default: return nil
        }
    }

    private static func output(_ stream: ChildStream, _ fields: inout HeaderFields) -> ChannelMessage? {
        guard let offset = fields.number(), let length = fields.number(), fields.isAtEnd,
            length <= ChannelConstants.longestChunk
        else { return nil }
        return .output(stream, offset: offset, length: Int(length))
    }

    private static func message(_ verb: String, _ fields: inout HeaderFields) throws(Malformed) -> ChannelMessage? {
        let message: ChannelMessage?
        switch verb {
        case "ack": throw Malformed(reason: "ack is not as it should be")
        case "out", "err": throw Malformed(reason: "\(verb) has no offset and length")
        case "gap":
            guard let stream = fields.text().flatMap(ChildStream.init(rawValue:)), let from = fields.number(),
                let to = fields.number(), from < to
            else { throw Malformed(reason: "gap has no stream and range") }
            return .gap(stream, from..<to)
        case "pong": return .pong
        case "ok": message = fields.text().flatMap(ChannelVerb.init(rawValue:)).map { .ok($0) }
        case "writer":
            guard let name = fields.text().flatMap({ WriterName($0) }), let last = fields.number(),
                let acknowledged = fields.number()
            else { throw Malformed(reason: "writer has no name and two numbers") }
            return .writer(name, last: last, acknowledged: acknowledged)
        case "error": return .error(try error(&fields))
        case "hello": message = ChannelHello(try json(verb, &fields)).map { .hello($0) }
        case "status": message = SessionStatus(try json(verb, &fields)).map { .status($0) }
        case "exit": message = SessionExit(try json(verb, &fields)).map { .exit($0) }
        case "reading":
            message = .reading(
                try streams(verb, &fields) { value in
                    guard let from = value["from"]?.number, let kept = KeptRange(value) else { return nil }
                    return Position(from: UInt64(from), kept: kept)
                })
        case "end": message = .end(try streams(verb, &fields) { $0.number.map(UInt64.init) })
        default: return nil
        }
        guard let message else { throw Malformed(reason: "\(verb) is not as it should be") }
        return message
    }

    private static func json(_ verb: String, _ fields: inout HeaderFields) throws(Malformed) -> JSONValue {
        guard let text = fields.rest() else { throw Malformed(reason: "\(verb) has no object") }
        do throws(JSONError) { return try JSONValue(text, depth: 6) } catch {
            throw Malformed(reason: "\(verb): \(error)")
        }
    }

    private static func streams<Value>(
        _ verb: String, _ fields: inout HeaderFields, _ value: (JSONValue) -> Value?,
    ) throws(Malformed) -> [ChildStream: Value] {
        var streams: [ChildStream: Value] = [:]
        guard let members = try json(verb, &fields).members else { throw Malformed(reason: "\(verb) has no object") }
        for member in members {
            guard let stream = ChildStream(rawValue: member.name) else { continue }
            guard let value = value(member.value) else { throw Malformed(reason: "\(verb) is not as it should be") }
            streams[stream] = value
        }
        return streams
    }

    private static func error(_ fields: inout HeaderFields) throws(Malformed) -> ChannelError {
        guard let code = fields.text(), let verb = fields.text() else { throw Malformed(reason: "error has no code") }
        var sequence: UInt64?
        if verb == ChannelVerb.write.rawValue {
            // A header that was not a `write` has no number; the text begins here then.
            var ahead = fields
            sequence = ahead.number()
            if sequence != nil { fields = ahead }
        }
        let text = fields.rest().map { String(decoding: $0, as: UTF8.self) } ?? ""
        // An unknown code, of a later version, still says that a request failed.
        return ChannelError(ChannelError.Code(rawValue: code) ?? .argument, verb, sequence: sequence, text)
    }

    // MARK: Text

    /// The header, newline included.
    package var header: [UInt8] {
        var header: [UInt8] = []
        switch self {
        case .hello(let hello): ChannelMessage.append("hello", hello.json, to: &header)
        case .writer(let name, let last, let acknowledged):
            header += "writer \(name.rawValue) \(last) \(acknowledged)".utf8
        case .acknowledged(let sequence): return ChannelMessage.header("ack ", sequence)
        case .reading(let positions):
            ChannelMessage.append(
                "reading",
                ChannelMessage.object(positions) { position in
                    [
                        "from": JSONValue(position.from), "start": JSONValue(position.kept.start),
                        "end": JSONValue(position.kept.end),
                    ]
                }, to: &header)
        case .output(let stream, let offset, let length):
            return ChannelMessage.header(stream == .out ? "out " : "err ", offset, UInt64(length))
        case .gap(let stream, let range):
            header += "gap \(stream.rawValue) \(range.lowerBound) \(range.upperBound)".utf8
        case .end(let offsets):
            ChannelMessage.append("end", ChannelMessage.object(offsets) { JSONValue($0) }, to: &header)
        case .status(let status): ChannelMessage.append("status", status.json, to: &header)
        case .ok(let verb): header += "ok \(verb.rawValue)".utf8
        case .exit(let exit): ChannelMessage.append("exit", exit.json, to: &header)
        case .error(let error):
            header += "error \(error.code.rawValue) \(error.verb)".utf8
            if let sequence = error.sequence { header += " \(sequence)".utf8 }
            var text = ""
            ControlEscaping.append(error.text, to: &text)
            if !text.isEmpty { header += " \(text)".utf8 }
        case .pong: header += "pong".utf8
        }
        header.append(UInt8(ascii: "\n"))
        return header
    }

    /// The header of a common message, made without an intermediate text.
    private static func header(_ verb: StaticString, _ first: UInt64, _ second: UInt64? = nil) -> [UInt8] {
        let room = verb.utf8CodeUnitCount + 2 * HeaderNumber.longest + 2
        return [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            bytes.copyMemory(from: UnsafeRawBufferPointer(start: verb.utf8Start, count: verb.utf8CodeUnitCount))
            var end = HeaderNumber.put(first, in: bytes, at: verb.utf8CodeUnitCount)
            if let second {
                bytes[end] = UInt8(ascii: " ")
                end = HeaderNumber.put(second, in: bytes, at: end + 1)
            }
            bytes[end] = UInt8(ascii: "\n")
            count = end + 1
        }
    }

    private static func append(_ verb: String, _ json: JSONValue, to header: inout [UInt8]) {
        header += "\(verb) ".utf8
        json.append(to: &header)
    }

    private static func object<Value>(
        _ streams: [ChildStream: Value], _ json: (Value) -> JSONValue,
    ) -> JSONValue {
        .object(ChildStream.allCases.compactMap { name in streams[name].map { .init(name.rawValue, json($0)) } })
    }
}
