/// The meaning of a host's text, found without a name service.
enum HostText: Equatable {
    /// An IP literal's address, or those of `localhost`.
    case addresses([SocketAddress])
    /// A name that a name service must be asked for.
    case name(String)

    /// The longest name in bytes, without a dot at its end: RFC 1035 has 255 bytes for its lengths and labels.
    static let maximumLength = 253

    /// - Throws: ``UVError/nameTooLong``. ``UVError/invalidArgument`` for an empty text, one with a zero byte, and one
    /// that is neither a strict literal nor a name: with a colon, or with a number at its end such as `127.1`, which
    /// the C library takes for an address. For a scope, the errors of ``SocketAddress/init(ip:port:)``.
    init(_ text: String, port: UInt16) throws(UVError) {
        guard !text.isEmpty, text != ".", !text.utf8.contains(0) else { throw .invalidArgument }
        let name = text.hasSuffix(".") ? text.dropLast() : text[...]
        guard RawText.byteCount(of: String(name)) <= HostText.maximumLength else { throw .nameTooLong }
        if text.utf8.contains(UInt8(ascii: ":")) || HostText.endsInNumber(name) {
            self = .addresses([try SocketAddress(ip: text, port: Int(port))])
        } else if HostText.isLocal(name.lowercased()) {
            self = .addresses([.loopback6(port: port), .loopback4(port: port)])
        } else {
            self = .name(text)
        }
    }

    /// True for names that RFC 6761 makes loopback addresses, whatever a name service would say.
    private static func isLocal(_ name: String) -> Bool { name == "localhost" || name.hasSuffix(".localhost") }

    /// True if the last label is a number as C writes it: such a text is an address to the C library, never a name.
    private static func endsInNumber(_ name: Substring) -> Bool {
        let label = name.utf8.suffix(while: { $0 != UInt8(ascii: ".") })
        let isHexadecimal = label.starts(with: "0x".utf8) || label.starts(with: "0X".utf8)
        let digits = isHexadecimal ? label.dropFirst(2) : label
        guard isHexadecimal || !digits.isEmpty else { return false }
        return digits.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): true
            case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"): isHexadecimal
            default: false
            }
        }
    }
}

extension BidirectionalCollection {
    /// The longest suffix whose elements all satisfy `predicate`.
    fileprivate func suffix(while predicate: (Element) -> Bool) -> SubSequence {
        var start = endIndex
        while start > startIndex, predicate(self[index(before: start)]) { formIndex(before: &start) }
        return self[start...]
    }
}
