internal import CLibUV

/// The rules for a unix socket's path.
public enum SocketPath {
    /// The longest path in bytes, without the terminating zero: 107 on Linux, 103 on macOS.
    public static let maximumLength: Int = {
        var address = sockaddr_un()
        return withUnsafeBytes(of: &address.sun_path) { $0.count } - 1
    }()

    /// Checks a path before the system sees it. libuv silently truncates a long path (H01), and takes an empty one for
    /// an abstract name (H07).
    ///
    /// - Throws: ``UVError/nameTooLong`` beyond ``maximumLength`` bytes, ``UVError/invalidArgument`` for an empty path or
    ///   one with a zero byte in it.
    public static func check(_ path: String) throws(UVError) {
        _ = try address(path)
    }

    /// The path that a unix socket is bound to; nil if it has none.
    static func bound(to descriptor: Int32) -> String? {
        var address = sockaddr_un()
        var size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
        guard status == 0, CInt(address.sun_family) == AF_UNIX, Int(size) > start else { return nil }
        return withUnsafeBytes(of: &address.sun_path) { name in
            let bytes = name.prefix(min(Int(size) - start, name.count)).prefix { $0 != 0 }
            return bytes.isEmpty ? nil : RawText.string(bytes)
        }
    }

    /// Returns the socket address of a path, checked.
    static func address(_ path: String) throws(UVError) -> sockaddr_un {
        let bytes = RawText.bytes(of: path)
        let length = bytes.count
        guard length <= maximumLength else { throw .nameTooLong }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let end = withUnsafeMutableBytes(of: &address.sun_path) { name in
            name.copyBytes(from: bytes)
            return strnlen(name.baseAddress!, name.count)
        }
        guard length > 0, end == length else { throw .invalidArgument }
        return address
    }
}

extension sockaddr_un {
    /// Calls `body` with the address in the general form that system calls take.
    func withSockaddr(_ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        withUnsafePointer(to: self) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
