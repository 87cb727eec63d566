internal import CLibUV

/// An open regular file; closed at the latest when it is released.
public final class OpenFile {
    /// The way to open a file. Each mode is close-on-exec and refuses a symbolic link as the last component.
    public enum Mode: Sendable {
        /// For reading; the file must exist.
        case readOnly
        /// For reading and writing; the file must exist.
        case readWrite
        /// For appending; created with mode 0600, whatever the umask, if missing.
        case append
        /// For reading and writing; created with mode 0600, whatever the umask; must not exist.
        case createNew
    }

    /// The descriptor; this object closes it. -1 when closed.
    public var descriptor: Int32 { owned?.number ?? -1 }
    private var owned: OwnedDescriptor?
    /// The system's description of the file when it was opened; costs no further call.
    public let statusAtOpening: FileStatus

    /// Opens the file. Mirrors `uv_fs_open`.
    ///
    /// - Throws: ``UVError/symbolicLink`` for a symbolic link, ``UVError/isDirectory``, ``UVError/exists``, as `open(2)`;
    ///   ``UVError/invalidArgument`` for a device, socket or named pipe, which could block.
    public init(_ path: String, _ mode: Mode) throws(UVError) {
        let descriptor: CInt
        var isNew = false
        switch mode {
        case .readOnly: descriptor = try OpenFile.open(path, O_RDONLY)
        case .readWrite: descriptor = try OpenFile.open(path, O_RDWR)
        case .append: (descriptor, isNew) = try OpenFile.openForAppending(path)
        case .createNew:
            descriptor = try OpenFile.open(path, O_RDWR | O_CREAT | O_EXCL)
            isNew = true
        }
        let owned = OwnedDescriptor(descriptor)
        do throws(UVError) {
            var status = try FileStatus(ofDescriptor: descriptor)
            switch status.kind {
            case .regular: break
            case .directory: throw .isDirectory
            default: throw .invalidArgument
            }
            if isNew, status.permissions != OpenFile.permissions {
                try checkErrno(fchmod(descriptor, mode_t(OpenFile.permissions)))
                status = try FileStatus(ofDescriptor: descriptor)
            }
            statusAtOpening = status
        } catch {
            owned.close()
            // A new file is removed: this call made it, so nobody misses it. A failure of the removal is ignored; the
            // first error is thrown.
            if mode == .createNew { _ = unlink(path) }
            throw error
        }
        self.owned = consume owned
    }

    private static let permissions: UInt32 = 0o600

    /// Opens an existing file as it is, or creates one. `isNew` is certain, so that only a new file's mode is set.
    private static func openForAppending(_ path: String) throws(UVError) -> (CInt, isNew: Bool) {
        // The loop is bounded: a hostile process could make and remove the file between the two steps for ever.
        for _ in 0..<16 {
            do {
                return (try open(path, O_WRONLY | O_APPEND), false)
            } catch .noEntry {
                do { return (try open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL), true) } catch .exists { continue }
            }
        }
        return (try open(path, O_WRONLY | O_APPEND | O_CREAT), false)
    }

    private static func open(_ path: String, _ flags: CInt) throws(UVError) -> CInt {
        var request = uv_fs_t()
        defer { uv_fs_req_cleanup(&request) }
        // Non-blocking, since opening a named pipe in the file's place would wait for its other end.
        let result = try RawText.withCString(path) {
            uv_fs_open(nil, &request, $0, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, CInt(permissions), nil)
        }
        // ENXIO: the file is a named pipe that nobody reads, or a socket.
        guard result != UV_ENXIO.rawValue else { throw .invalidArgument }
        return try check(result)
    }

    /// Takes ownership of a descriptor; closes it if its status cannot be read.
    init(takingOwnershipOf descriptor: CInt) throws(UVError) {
        let owned = OwnedDescriptor(descriptor)
        do throws(UVError) {
            statusAtOpening = try FileStatus(ofDescriptor: descriptor)
        } catch {
            owned.close()
            throw error
        }
        self.owned = consume owned
    }

    deinit { close() }

    /// Closes the descriptor, which releases a lock of this description and, by the rules of POSIX, every lock of this
    /// process on the file. Idempotent.
    public func close() {
        owned.take()?.close()
    }

    /// Returns the system's description of the file. Mirrors `uv_fs_fstat`.
    public func status() throws(UVError) -> FileStatus {
        try FileStatus(ofDescriptor: descriptor)
    }

    /// Reads the file from its start, at most `limit` bytes.
    public func read(limit: Int) throws(UVError) -> [UInt8] {
        let size = Int(clamping: try status().size)
        // Files of /proc report 0 but have contents.
        return try read(from: 0, limit: size == 0 ? min(limit, 4096) : min(limit, size))
    }

    /// Reads the file from an offset on, at most `limit` bytes; shorter, or empty, at its end.
    public func read(from offset: Int, limit: Int) throws(UVError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        var count = 0
        while count < bytes.count {
            let status = bytes.withUnsafeMutableBytes { bytes in
                transfer(UnsafeMutableRawBufferPointer(rebasing: bytes[count...])) { request, buffer in
                    uv_fs_read(nil, request, descriptor, buffer, 1, Int64(offset + count), nil)
                }
            }
            let read = Int(try check(status))
            if read == 0 { break }
            count += read
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// Reads the file to its end whatever size it reports; for files of /proc.
    func readToEnd() throws(UVError) -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let more = try read(from: bytes.count, limit: 65536)
            guard !more.isEmpty else { return bytes }
            bytes += more
        }
    }

    /// Reads once from the start of the file into the caller's memory. For small files, without an array.
    public func readOnce(into buffer: UnsafeMutableRawBufferPointer) throws(UVError) -> UnsafeRawBufferPointer {
        let count = try check(
            transfer(buffer) { request, buffer in uv_fs_read(nil, request, descriptor, buffer, 1, 0, nil) })
        return UnsafeRawBufferPointer(rebasing: buffer[..<Int(count)])
    }

    /// Writes all of `bytes`, at the end of a file opened for appending, else from `offset` on, or where the last write ended.
    ///
    /// - Throws: ``UVError/noSpace`` and its like; part of the bytes may have been written.
    public func write(_ bytes: [UInt8], at offset: Int? = nil) throws(UVError) {
        var count = 0
        while count < bytes.count {
            let status = bytes.withUnsafeBytes { bytes in
                // libuv's buffers have a mutable type; a write does not change them.
                transfer(.init(mutating: .init(rebasing: bytes[count...]))) { request, buffer in
                    uv_fs_write(nil, request, descriptor, buffer, 1, offset.map { Int64($0 + count) } ?? -1, nil)
                }
            }
            count += Int(try check(status))
        }
    }

    /// Takes room for so many bytes from the start of the file, whose size stays as it is: to write them does not fail for want
    /// of room then. Mirrors `fallocate(2)` with FALLOC_FL_KEEP_SIZE.
    ///
    /// - Returns: false where the system or the file system has no such thing.
    /// - Throws: ``UVError/noSpace`` and its like.
    @discardableResult
    public func allocate(_ byteCount: Int) throws(UVError) -> Bool {
        while uvloop_allocate(descriptor, Int64(byteCount)) != 0 {
            switch uvloop_errno() {
            case EINTR: continue
            case EOPNOTSUPP, ENOTSUP, ENOSYS: return false
            case let number: throw UVError(errno: number)
            }
        }
        return true
    }

    /// Truncates the file to `size` bytes; appending continues at the new end. Mirrors `uv_fs_ftruncate`.
    public func truncate(to size: UInt64 = 0) throws(UVError) {
        var request = uv_fs_t()
        defer { uv_fs_req_cleanup(&request) }
        try check(uv_fs_ftruncate(nil, &request, descriptor, Int64(clamping: size), nil))
    }

    private func transfer(
        _ bytes: UnsafeMutableRawBufferPointer,
        _ call: (UnsafeMutablePointer<uv_fs_t>, UnsafePointer<uv_buf_t>) -> CInt,
    ) -> CInt {
        var request = uv_fs_t()
        defer { uv_fs_req_cleanup(&request) }
        var buffer = uv_buf_init(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), UInt32(clamping: bytes.count))
        return call(&request, &buffer)
    }
}

@available(*, unavailable)
extension OpenFile: Sendable {}
