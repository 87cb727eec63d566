internal import CLibUV

/// A descriptor that is closed with its last reference on any thread, since a job of the pool may outlive the handle
/// that asked for it.
package final class SharedDescriptor: Sendable {
    package let number: Int32

    package init(_ descriptor: consuming OwnedDescriptor) { number = descriptor.release() }

    deinit { OwnedDescriptor(number).close() }

    /// Opens a regular file, as ``OpenFile``.
    package convenience init(opening path: String, _ mode: OpenFile.Mode) throws(UVError) {
        let open = try OpenFile(path, mode)
        defer { open.close() }
        self.init(try Descriptors.duplicate(open.descriptor))
    }

    /// Returns at most `count` bytes of a file from an offset on; fewer only at the end of the file.
    package func bytes(from offset: UInt64, count: Int) throws(UVError) -> [UInt8] {
        // The system refuses to read past what its signed offsets can tell.
        let count = min(count, Int(clamping: UInt64(Int64.max) - min(offset, UInt64(Int64.max))))
        guard count > 0 else { return [] }
        var error: UVError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let place = off_t(clamping: offset &+ UInt64(filled))
                let read = pread(number, buffer.baseAddress! + filled, count - filled, place)
                if read < 0, uvloop_errno() == EINTR { continue }
                if read < 0 { error = UVError(errno: uvloop_errno()) }
                guard read > 0 else { return }
                filled += read
            }
        }
        if let error { throw error }
        return bytes
    }
}
