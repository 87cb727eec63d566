internal import CLibUV

extension SocketAddress {
    /// Creates an address from the form that system calls use.
    ///
    /// - Parameter bytes: the bytes that a system call has filled in, in the length it reported; no alignment is needed.
    /// - Returns: nil for a unix socket without a name, such as any client's: its form ends after the family.
    /// - Throws: ``UVError/addressFamilyNotSupported`` for other families, ``UVError/invalidArgument`` for fewer bytes than
    ///   the family has.
    public init?(sockaddr bytes: UnsafeRawBufferPointer) throws(UVError) {
        guard bytes.count >= SocketAddress.headerSize else {
            // Linux returns no bytes for a datagram's sender that has no name.
            if bytes.isEmpty { return nil }
            throw .invalidArgument
        }
        // The first two bytes are the length and the family on BSD systems, the family alone on Linux.
        let offset = MemoryLayout<CLibUV.sockaddr>.offset(of: \.sa_family)!
        switch CInt(bytes.loadUnaligned(fromByteOffset: offset, as: sa_family_t.self)) {
        case AF_INET:
            guard bytes.count >= MemoryLayout<sockaddr_in>.size else { throw .invalidArgument }
            let address = bytes.loadUnaligned(as: sockaddr_in.self)
            self.init(
                .ipv4(UInt32(bigEndian: address.sin_addr.s_addr), port: UInt16(bigEndian: address.sin_port)))
        case AF_INET6:
            guard bytes.count >= MemoryLayout<sockaddr_in6>.size else { throw .invalidArgument }
            let address = bytes.loadUnaligned(as: sockaddr_in6.self)
            let (high, low) = address.sin6_addr.halves
            let port = UInt16(bigEndian: address.sin6_port)
            self.init(.ipv6(high: high, low: low, scope: address.sin6_scope_id, port: port))
        case AF_UNIX:
            // A path ends at its zero byte, which a path of full length lacks; an abstract name begins with a zero
            // byte.
            let name = bytes[SocketAddress.headerSize...].prefix(SocketAddress.nameCapacity)
            if let first = name.first, first != 0 {
                self.init(.path(Array(name.prefix { $0 != 0 })))
            } else {
                #if os(Linux)
                guard name.count > 1 else { return nil }
                self.init(.abstract(Array(name.dropFirst())))
                #else
                return nil
                #endif
            }
        default: throw .addressFamilyNotSupported
        }
    }

    /// Calls `body` with the address in the form that system calls take: a `sockaddr` with its length, valid during the
    /// call.
    public func withSockaddr<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        switch storage {
        case .ipv4(let number, let port):
            var address = sockaddr_in()
            #if canImport(Darwin)
            address.sin_len = UInt8(MemoryLayout<sockaddr_in>.size)
            #endif
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = number.bigEndian
            return try SocketAddress.lend(&address, to: body)
        case .ipv6(let high, let low, let scope, let port):
            var address = sockaddr_in6()
            #if canImport(Darwin)
            address.sin6_len = UInt8(MemoryLayout<sockaddr_in6>.size)
            #endif
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            address.sin6_addr = in6_addr(high: high, low: low)
            address.sin6_scope_id = scope
            return try SocketAddress.lend(&address, to: body)
        case .path(let bytes): return try SocketAddress.lend(name: bytes[...], zeros: 1, to: body)
        case .abstract(let bytes): return try SocketAddress.lend(name: [0] + bytes[...], zeros: 0, to: body)
        }
    }

    /// The same, in C's types.
    func withSockaddr(_ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        withSockaddr { bytes in
            body(bytes.baseAddress!.assumingMemoryBound(to: CLibUV.sockaddr.self), socklen_t(bytes.count))
        }
    }

    private static func lend<Raw, Result, Failure: Error>(
        _ address: inout Raw,
        to body: (UnsafeRawBufferPointer) throws(Failure) -> Result,
    ) throws(Failure) -> Result {
        try withUnsafePointer(to: &address) { address throws(Failure) in
            try body(UnsafeRawBufferPointer(start: address, count: MemoryLayout<Raw>.size))
        }
    }

    /// - Parameter zeros: the number of zero bytes to add to the name if there is room; the system can do without.
    private static func lend<Result, Failure: Error>(
        name: ArraySlice<UInt8>,
        zeros: Int,
        to body: (UnsafeRawBufferPointer) throws(Failure) -> Result,
    ) throws(Failure) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let count = headerSize + min(name.count + zeros, nameCapacity)
        #if canImport(Darwin)
        address.sun_len = UInt8(count)
        #endif
        return try withUnsafePointer(to: &address) { address throws(Failure) in
            try body(UnsafeRawBufferPointer(start: address, count: count))
        }
    }

    private static let headerSize = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
    private static let nameCapacity = MemoryLayout<sockaddr_un>.size - headerSize

    /// The address of an IP datagram's sender, in the form of its family.
    init?(received address: UnsafePointer<sockaddr>) {
        let size =
            switch CInt(address.pointee.sa_family) {
            case AF_INET: MemoryLayout<sockaddr_in>.size
            case AF_INET6: MemoryLayout<sockaddr_in6>.size
            default: 0
            }
        do throws(UVError) {
            try self.init(sockaddr: UnsafeRawBufferPointer(start: address, count: size))
        } catch {
            return nil
        }
    }

    // MARK: Addresses of a descriptor

    /// The address that a socket is bound to. If it was bound to port 0, the port is the one that the system chose.
    /// Mirrors `getsockname`.
    ///
    /// - Returns: nil for a unix socket without a name. For an IP socket that is not bound, address and port 0.
    /// - Throws: ``UVError/notSocket``, ``UVError/badDescriptor``, ``UVError/addressFamilyNotSupported``.
    public static func local(of descriptor: Int32) throws(UVError) -> SocketAddress? {
        try address { getsockname(descriptor, $0, $1) }
    }

    /// The address that a socket is connected to. Mirrors `getpeername`.
    ///
    /// - Returns: nil for a unix socket without a name; the client of an accepted connection has none.
    /// - Throws: ``UVError/notConnected``, also for a connection that the peer has reset; otherwise as ``local(of:)``.
    public static func remote(of descriptor: Int32) throws(UVError) -> SocketAddress? {
        try address { getpeername(descriptor, $0, $1) }
    }

    private static func address(
        _ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
    ) throws(UVError) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) { storage in
            call(storage.cast(to: sockaddr.self), &length)
        }
        try checkErrno(result)
        let count = min(Int(length), MemoryLayout<sockaddr_storage>.size)
        return try withUnsafePointer(to: &storage) { storage throws(UVError) in
            try SocketAddress(sockaddr: UnsafeRawBufferPointer(start: storage, count: count))
        }
    }
}
