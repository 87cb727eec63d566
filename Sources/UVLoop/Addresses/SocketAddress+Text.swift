internal import CLibUV

extension SocketAddress {
    /// Creates an address from an IP literal and a port.
    ///
    /// Strict: an IPv4 address has four decimal numbers without leading zeros (not `127.1` or `010.0.0.1`, which the C
    /// library would take), an IPv6 address has no brackets. An IPv6 address may end in a scope, a number or the name
    /// of a network interface of this computer (`fe80::1%eth0`). No name service is asked; only the interface's name is
    /// looked up in the kernel. Mirrors `uv_inet_pton` and `if_nametoindex`.
    ///
    /// - Parameters:
    ///   - text: an IPv4 or IPv6 address, without a port.
    ///   - port: 0 to 65535.
    /// - Throws: ``UVError/invalidArgument`` for any other text or port; ``UVError/noDevice`` for a scope whose interface
    ///   does not exist, ``UVError/tooManyOpenFiles`` and its like if the kernel cannot be asked for it.
    public init(ip text: String, port: Int) throws(UVError) {
        self = try SocketAddress.parse(ip: text[...], port: SocketAddress.checkedPort(port))
    }

    /// Creates an address from text: `1.2.3.4:80`, `[::1]:80`, `[fe80::1%eth0]:80`, `unix:/run/server.sock`, or
    /// `abstract:name`. The property ``description`` has the same forms.
    ///
    /// Strict as ``init(ip:port:)``; the port is required, in decimal digits without leading zeros.
    ///
    /// - Throws: ``UVError/invalidArgument`` for any other text, and the errors of ``init(ip:port:)``,
    /// ``init(unixPath:)`` and ``init(abstractName:)``.
    public init(_ text: String) throws(UVError) {
        if let path = SocketAddress.rest(of: text, after: SocketAddress.pathPrefix) {
            try self.init(unixPath: path)
        } else if let name = SocketAddress.rest(of: text, after: SocketAddress.abstractPrefix) {
            try self.init(abstractName: name)
        } else {
            guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else { throw .invalidArgument }
            let port = try SocketAddress.parse(port: text[text.utf8.index(after: colon)...])
            let host = text[..<colon]
            let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
            // Brackets are required around an IPv6 address, and allowed around nothing else.
            guard isBracketed == host.utf8.contains(UInt8(ascii: ":")) else { throw .invalidArgument }
            self = try SocketAddress.parse(ip: isBracketed ? host.dropFirst().dropLast() : host, port: port)
        }
    }

    /// The text after `prefix`, nil if it begins otherwise. Compared by bytes: a name may begin with a combining
    /// accent, which would belong to the character before it.
    private static func rest(of text: String, after prefix: String) -> String? {
        text.utf8.starts(with: prefix.utf8) ? String(Substring(text.utf8.dropFirst(prefix.utf8.count))) : nil
    }

    private static let pathPrefix = "unix:"
    private static let abstractPrefix = "abstract:"

    private static func parse(port text: Substring) throws(UVError) -> UInt16 {
        guard text.utf8.allSatisfy(isDigit), text == "0" || !text.hasPrefix("0"), let port = UInt16(text) else {
            throw .invalidArgument
        }
        return port
    }

    private static func parse(ip text: Substring, port: UInt16) throws(UVError) -> SocketAddress {
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        let literal = String(parts[0])
        if parts.count == 1 {
            var address = in_addr()
            let status = try RawText.withCString(literal) { uv_inet_pton(AF_INET, $0, &address) }
            if status == 0 { return SocketAddress(.ipv4(UInt32(bigEndian: address.s_addr), port: port)) }
        }
        var address = in6_addr()
        // The status is EINVAL. EAFNOSUPPORT is only for families that libuv cannot parse.
        try check(RawText.withCString(literal) { uv_inet_pton(AF_INET6, $0, &address) })
        let (high, low) = address.halves
        let scope = parts.count == 1 ? 0 : try parse(scope: parts[1])
        return SocketAddress(.ipv6(high: high, low: low, scope: scope, port: port))
    }

    private static func parse(scope text: Substring) throws(UVError) -> UInt32 {
        guard !text.isEmpty else { throw .invalidArgument }
        if text.utf8.allSatisfy(isDigit) {
            guard let number = UInt32(text) else { throw .invalidArgument }
            return number
        }
        var error: UVError?
        let number = try RawText.withCString(String(text)) { name in
            let number = if_nametoindex(name)
            if number == 0 { error = UVError(errno: uvloop_errno()) }
            return number
        }
        if let error { throw error }
        return number
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    /// The IP address as text, without port and brackets, its scope as the interface's name if that has one:
    /// `192.0.2.1`, `::1`, `fe80::1%eth0`. Nil for a unix socket. Mirrors `uv_inet_ntop` and `if_indextoname`.
    public var host: String? {
        switch storage {
        case .ipv4(let address, _):
            var address = in_addr(s_addr: address.bigEndian)
            return SocketAddress.text(AF_INET, &address)
        case .ipv6(let high, let low, let scope, _):
            var address = in6_addr(high: high, low: low)
            let text = SocketAddress.text(AF_INET6, &address)
            return scope == 0 ? text : "\(text)%\(SocketAddress.text(scope: scope))"
        case .path, .abstract: return nil
        }
    }

    private static func text(_ family: CInt, _ address: UnsafeRawPointer) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
            let status = uv_inet_ntop(family, address, buffer.baseAddress!, buffer.count)
            require(status == 0, "uv_inet_ntop fails only for other families and for want of room")
            return String(cString: buffer.baseAddress!)
        }
    }

    /// The interface's name; its number if it has no name, or one that would be read as a number.
    private static func text(scope: UInt32) -> String {
        let name = withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(IF_NAMESIZE)) { buffer in
            if_indextoname(scope, buffer.baseAddress!).map { RawText.string($0) }
        }
        guard let name, !name.utf8.allSatisfy(isDigit) else { return "\(scope)" }
        return name
    }
}

extension SocketAddress: CustomStringConvertible {
    /// The address in the form that ``init(_:)`` reads: `192.0.2.1:80`, `[fe80::1%eth0]:80`, `unix:/run/server.sock`,
    /// `abstract:name`.
    public var description: String {
        switch storage {
        case .ipv4(_, let port): "\(host!):\(port)"
        case .ipv6(_, _, _, let port): "[\(host!)]:\(port)"
        case .path(let bytes): SocketAddress.pathPrefix + RawText.string(bytes)
        case .abstract(let bytes): SocketAddress.abstractPrefix + RawText.string(bytes)
        }
    }
}

extension in6_addr {
    init(high: UInt64, low: UInt64) {
        self.init()
        withUnsafeMutableBytes(of: &self) { bytes in
            bytes.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
            bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
    }

    /// The address as two numbers.
    var halves: (high: UInt64, low: UInt64) {
        withUnsafeBytes(of: self) { bytes in
            (
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }
}
