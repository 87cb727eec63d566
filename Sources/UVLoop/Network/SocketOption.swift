internal import CLibUV

/// Sets options of sockets by the system's own call.
enum SocketOption {
    static func set(_ descriptor: CInt, _ level: CInt, _ option: CInt, _ value: CInt) throws(UVError) {
        var value = value
        try checkErrno(setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<CInt>.size)))
    }
}
