/// A message of D-Bus: a call, an answer or a signal.
///
/// Mirrors section "Message Format" of the D-Bus specification. Received messages keep only the fields in use.
package struct BusMessage: Hashable, Sendable {
    package enum Kind: UInt8, Sendable {
        case call = 1
        case answer = 2
        case failure = 3
        case signal = 4
    }

    package var kind: Kind
    /// The serial number of the call that this message answers.
    package var replySerial: UInt32?
    package var path: String?
    package var interface: String?
    /// The method called, or the signal sent.
    package var member: String?
    /// The name of an error.
    package var errorName: String?
    /// The types of the body's values.
    package var signature = ""
    package var body: [UInt8] = []

    /// The leading values of the body that are strings, object paths, numbers (as digits) or variants of a string; the
    /// list ends before the first value of another type.
    package var texts: [String] {
        var reader = BusReader(body[...])
        var texts: [String] = []
        for type in signature.utf8 {
            var value: String?
            switch type {
            case UInt8(ascii: "s"), UInt8(ascii: "o"): value = reader.string()
            case UInt8(ascii: "u"): value = reader.uint32().map { "\($0)" }
            case UInt8(ascii: "v"): value = reader.signature() == "s" ? reader.string() : nil
            default: value = nil
            }
            guard let value else { return texts }
            texts.append(value)
        }
        return texts
    }

    // MARK: Writing

    /// The bytes of a call.
    ///
    /// - Parameters:
    ///   - serial: the caller's number of the call, from 1.
    ///   - body: writes the values whose types are in `signature`.
    static func call(
        _ member: String, of interface: String, at path: String, to destination: String, serial: UInt32,
        _ signature: String = "", _ body: (inout BusWriter) -> Void = { _ in },
    ) -> [UInt8] {
        var values = BusWriter()
        body(&values)
        var message = BusWriter()
        for byte in [UInt8(ascii: "l"), Kind.call.rawValue, 0, 1] { message.byte(byte) }
        message.uint32(UInt32(values.bytes.count))
        message.uint32(serial)
        message.array(elementsAt: 8) { fields in
            for (code, type, text) in [
                (Field.path, "o", path), (.interface, "s", interface), (.member, "s", member),
                (.destination, "s", destination),
            ] {
                fields.align(8)
                fields.byte(code.rawValue)
                fields.variant(type) { $0.string(text) }
            }
            guard !signature.isEmpty else { return }
            fields.align(8)
            fields.byte(Field.signature.rawValue)
            fields.variant("g") { $0.signature(signature) }
        }
        message.align(8)
        return message.bytes + values.bytes
    }

    private enum Field: UInt8 {
        case path = 1
        case interface
        case member
        case errorName
        case replySerial
        case destination
        case sender
        case signature
        case descriptors
    }

    // MARK: Reading

    /// The error for bytes that break the protocol, or exceed a keeper's limits.
    package struct Malformed: Error, Hashable, Sendable {
        package init() {}
    }

    /// The longest message accepted, in bytes. The expected answers have a few hundred.
    package static let longest = 65_536
    private static let fixedLength = 16

    /// Takes the first message from the bytes received; nil if the message is not whole yet.
    package static func take(from bytes: inout [UInt8]) throws(Malformed) -> BusMessage? {
        guard bytes.count >= fixedLength else { return nil }
        var head = BusReader(bytes[..<fixedLength])
        guard head.byte() == UInt8(ascii: "l"), let type = head.byte(), head.byte() != nil, head.byte() == 1,
            let bodyLength = head.uint32(), head.uint32() != nil, let fieldsLength = head.uint32(),
            bodyLength <= longest, fieldsLength <= longest
        else { throw Malformed() }
        let bodyStart = (fixedLength + Int(fieldsLength) + 7) / 8 * 8
        let end = bodyStart + Int(bodyLength)
        guard end <= longest else { throw Malformed() }
        guard bytes.count >= end else { return nil }
        // Unknown message types are to be ignored: they count as a signal that no state waits for.
        var message = BusMessage(kind: Kind(rawValue: type) ?? .signal)
        try message.readFields(bytes[..<(fixedLength + Int(fieldsLength))])
        message.body = Array(bytes[bodyStart..<end])
        bytes.removeFirst(end)
        return message
    }

    private mutating func readFields(_ bytes: ArraySlice<UInt8>) throws(Malformed) {
        // The reader starts at the message's first byte, from which boundaries are counted.
        var reader = BusReader(bytes)
        guard reader.skip(BusMessage.fixedLength) else { throw Malformed() }
        while !reader.isAtEnd {
            guard reader.align(8), let code = reader.byte(), let type = reader.signature() else { throw Malformed() }
            switch (type, Field(rawValue: code)) {
            case ("s", _?), ("o", _?):
                guard let text = reader.string() else { throw Malformed() }
                set(text, code)
            case ("g", _?):
                guard let text = reader.signature() else { throw Malformed() }
                set(text, code)
            case ("u", .replySerial):
                guard let number = reader.uint32() else { throw Malformed() }
                replySerial = number
            default:
                // Fields of later versions are to be ignored.
                var types = Array(type.utf8)[...]
                guard reader.skipValue(&types), types.isEmpty else { throw Malformed() }
            }
        }
    }

    private mutating func set(_ text: String, _ code: UInt8) {
        switch Field(rawValue: code) {
        case .path: path = text
        case .interface: interface = text
        case .member: member = text
        case .errorName: errorName = text
        case .signature: signature = text
        case .replySerial, .destination, .sender, .descriptors, nil: break
        }
    }
}
