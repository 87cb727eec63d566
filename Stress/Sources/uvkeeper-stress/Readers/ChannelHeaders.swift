/// A keeper's messages on its channel, as far as a reader of output needs them; read by other code than the library's.
struct ChannelHeaders {
    enum Message: Equatable {
        case hello(epoch: UInt64)
        /// The start of each stream.
        case reading(out: UInt64, err: UInt64)
        /// A header that is followed by `count` bytes.
        case output(stream: Int, offset: UInt64, count: Int)
        case gap(stream: Int, Range<UInt64>)
        /// The end of each stream by the record; nil if it does not name one.
        case exit(out: UInt64?, err: UInt64?)
        case error(String)
        case other
        /// Bytes that are no message of a keeper.
        case malformed(String)
    }

    private static let longest = 1 << 20
    private var header: [UInt8] = []
    private var payload: (stream: Int, offset: UInt64, left: Int)?

    /// Takes bytes in any pieces; hands over each message, and each piece of output with its stream and offset.
    mutating func take(
        _ bytes: UnsafeRawBufferPointer, onMessage: (Message) -> Void,
        onOutput: (Int, UInt64, UnsafeRawBufferPointer) -> Void,
    ) {
        var rest = bytes[...]
        while !rest.isEmpty {
            if let (stream, offset, left) = payload {
                let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(left))
                payload = left > piece.count ? (stream, offset + UInt64(piece.count), left - piece.count) : nil
                rest = rest.dropFirst(piece.count)
                onOutput(stream, offset, piece)
                continue
            }
            guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
                header += rest
                if header.count > ChannelHeaders.longest { onMessage(.malformed("a header without an end")) }
                return
            }
            header += rest[..<end]
            rest = rest[(end + 1)...]
            let message = ChannelHeaders.message(String(decoding: header, as: UTF8.self))
            header = []
            if case .output(let stream, let offset, let count) = message, count > 0 {
                payload = (stream, offset, count)
            }
            onMessage(message)
        }
    }

    private static func message(_ header: String) -> Message {
        let words = header.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let fields = header.split(separator: " ", omittingEmptySubsequences: false)
        switch words[0] {
        case "hello":
            guard let text = header.firstRange(of: "\"epoch\":\"").map({ header[$0.upperBound...].prefix(16) }),
                let epoch = UInt64(text, radix: 16)
            else { return .malformed(header) }
            return .hello(epoch: epoch)
        case "reading":
            guard let out = number("from", of: "out", in: header), let err = number("from", of: "err", in: header)
            else {
                return .malformed(header)
            }
            return .reading(out: out, err: err)
        case "out", "err":
            guard fields.count == 3, let offset = UInt64(fields[1]), let count = Int(fields[2]), count >= 0 else {
                return .malformed(header)
            }
            return .output(stream: words[0] == "out" ? 0 : 1, offset: offset, count: count)
        case "gap":
            guard fields.count == 4, fields[1] == "out" || fields[1] == "err", let from = UInt64(fields[2]),
                let to = UInt64(fields[3]), from < to
            else { return .malformed(header) }
            return .gap(stream: fields[1] == "out" ? 0 : 1, from..<to)
        case "exit":
            guard let output = header.firstRange(of: "\"output\":{") else { return .exit(out: nil, err: nil) }
            let text = String(header[output.upperBound...])
            return .exit(out: number("end", of: "out", in: text), err: number("end", of: "err", in: text))
        case "error": return .error(words.count > 1 ? words[1] : "")
        default: return .other
        }
    }

    /// Returns a number in the object of a stream.
    private static func number(_ name: String, of stream: String, in text: String) -> UInt64? {
        guard let object = text.firstRange(of: "\"\(stream)\":{") else { return nil }
        let members = text[object.upperBound...].prefix { $0 != "}" }
        guard let member = members.firstRange(of: "\"\(name)\":") else { return nil }
        return UInt64(members[member.upperBound...].prefix(while: \.isNumber))
    }
}
