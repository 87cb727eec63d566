internal import CLibUV

/// The address of a socket: IPv4 or IPv6 with a port, or the name of a unix socket.
///
/// A value, made from text or from the system's form without a name service; host names are looked up by ``Resolver``.
/// Two addresses are equal if the kernel takes them for the same: an IPv6 address with a scope differs from the one
/// without, an IPv4 address from its form within IPv6 (`::ffff:127.0.0.1`), and paths are compared by their bytes.
/// Mirrors `sockaddr_in`, `sockaddr_in6` (without `sin6_flowinfo`) and `sockaddr_un`.
public struct SocketAddress: Hashable, Sendable {
    /// The kind of an address.
    public enum Family: Hashable, Sendable {
        case ipv4
        case ipv6
        case unix
    }

    enum Storage: Hashable, Sendable {
        case ipv4(UInt32, port: UInt16)
        case ipv6(high: UInt64, low: UInt64, scope: UInt32, port: UInt16)
        /// The bytes of a path, without a zero.
        case path([UInt8])
        /// The bytes of an abstract name, which only Linux has, without the zero byte before them.
        case abstract([UInt8])
    }

    let storage: Storage

    init(_ storage: Storage) {
        self.storage = storage
    }

    /// Creates the address of a unix socket with a file.
    ///
    /// - Throws: as ``SocketPath/check(_:)``: ``UVError/nameTooLong``, and ``UVError/invalidArgument`` for an empty path or
    ///   one with a zero byte.
    public init(unixPath path: String) throws(UVError) {
        try SocketPath.check(path)
        self.init(.path(RawText.bytes(of: path)))
    }

    /// Creates the address of a unix socket without a file. The name ends with the socket, and no permissions guard it.
    ///
    /// - Throws: ``UVError/notSupported`` on systems other than Linux; ``UVError/invalidArgument`` for an empty name,
    ///   ``UVError/nameTooLong`` for one of more than ``SocketPath/maximumLength`` bytes. The name may have zero bytes.
    public init(abstractName name: String) throws(UVError) {
        #if os(Linux)
        let bytes = RawText.bytes(of: name)
        guard !bytes.isEmpty else { throw .invalidArgument }
        guard bytes.count <= SocketPath.maximumLength else { throw .nameTooLong }
        self.init(.abstract(bytes))
        #else
        throw .notSupported
        #endif
    }

    /// The loopback address of this computer, `127.0.0.1` or `::1`.
    ///
    /// - Parameters:
    ///   - family: IPv4 or IPv6.
    ///   - port: 0 to 65535.
    /// - Throws: ``UVError/invalidArgument`` for another port, and for ``Family/unix``.
    public static func loopback(_ family: Family, port: Int) throws(UVError) -> SocketAddress {
        let port = try checkedPort(port)
        return switch family {
        case .ipv4: loopback4(port: port)
        case .ipv6: loopback6(port: port)
        case .unix: throw .invalidArgument
        }
    }

    /// The wildcard address, `0.0.0.0` or `::`: a listener bound to it accepts connections to every address of this
    /// computer.
    ///
    /// - Parameters:
    ///   - family: IPv4 or IPv6.
    ///   - port: 0 to 65535; 0 lets the system choose.
    /// - Throws: as ``loopback(_:port:)``.
    public static func any(_ family: Family, port: Int) throws(UVError) -> SocketAddress {
        let port = try checkedPort(port)
        return switch family {
        case .ipv4: SocketAddress(.ipv4(0, port: port))
        case .ipv6: SocketAddress(.ipv6(high: 0, low: 0, scope: 0, port: port))
        case .unix: throw .invalidArgument
        }
    }

    static func loopback4(port: UInt16) -> SocketAddress { SocketAddress(.ipv4(0x7F00_0001, port: port)) }
    static func loopback6(port: UInt16) -> SocketAddress { SocketAddress(.ipv6(high: 0, low: 1, scope: 0, port: port)) }

    static func checkedPort(_ port: Int) throws(UVError) -> UInt16 {
        guard let port = UInt16(exactly: port) else { throw .invalidArgument }
        return port
    }

    /// The kind of the address.
    public var family: Family {
        switch storage {
        case .ipv4: .ipv4
        case .ipv6: .ipv6
        case .path, .abstract: .unix
        }
    }

    /// The port, 0 to 65535; nil for a unix socket.
    public var port: Int? {
        switch storage {
        case .ipv4(_, let port), .ipv6(_, _, _, let port): Int(port)
        case .path, .abstract: nil
        }
    }

    /// The number of the network interface that an IPv6 address is reached through; nil if it names none, and for other
    /// families.
    public var scope: UInt32? {
        guard case .ipv6(_, _, let scope, _) = storage, scope != 0 else { return nil }
        return scope
    }

    /// The path of a unix socket that has a file, as ``RawText``; nil for other addresses.
    public var path: String? {
        guard case .path(let bytes) = storage else { return nil }
        return RawText.string(bytes)
    }

    /// The name of a unix socket that has no file, as ``RawText``; nil for other addresses.
    public var abstractName: String? {
        guard case .abstract(let bytes) = storage else { return nil }
        return RawText.string(bytes)
    }

    /// True for `127.0.0.0/8`, in its form within IPv6 too, and for `::1`. False for unix sockets.
    public var isLoopback: Bool {
        switch storage {
        case .ipv4(let address, _): address >> 24 == 127
        case .ipv6(0, let low, _, _): low == 1 || low >> 24 == 0xFFFF_7F
        case .ipv6, .path, .abstract: false
        }
    }

    /// True for `0.0.0.0` and `::`.
    public var isAny: Bool {
        switch storage {
        case .ipv4(let address, _): address == 0
        case .ipv6(let high, let low, _, _): high == 0 && low == 0
        case .path, .abstract: false
        }
    }

    /// The same address with another port. A unix socket's address has no port and is returned as it is.
    ///
    /// - Parameter port: 0 to 65535.
    /// - Throws: ``UVError/invalidArgument`` for another number.
    public func withPort(_ port: Int) throws(UVError) -> SocketAddress {
        with(port: try SocketAddress.checkedPort(port))
    }

    func with(port: UInt16) -> SocketAddress {
        switch storage {
        case .ipv4(let address, _): SocketAddress(.ipv4(address, port: port))
        case .ipv6(let high, let low, let scope, _):
            SocketAddress(.ipv6(high: high, low: low, scope: scope, port: port))
        case .path, .abstract: self
        }
    }
}
