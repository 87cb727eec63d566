internal import CLibUV

/// Reading and writing from memory of the caller's, without an array for it.
extension OpenFile {
    /// One write, which may take less than all: at the end of a file opened for appending, else from where the last one ended.
    ///
    /// - Returns: how many bytes were written, from the front.
    /// - Throws: ``UVError/noSpace`` and its like; nothing was written then. Mirrors `write(2)`.
    public func writeOnce(_ bytes: UnsafeRawBufferPointer) throws(UVError) -> Int {
        while true {
            let count = CLibUV.write(descriptor, bytes.baseAddress, bytes.count)
            guard count < 0 else { return count }
            let number = uvloop_errno()
            if number != EINTR { throw UVError(errno: number) }
        }
    }

    /// Reads what there is from an offset on, as much as `buffer` holds; fewer bytes at the end of the file, where it is 0.
    /// Mirrors `pread(2)`.
    public func readOnce(into buffer: UnsafeMutableRawBufferPointer, from offset: UInt64) throws(UVError) -> Int {
        while true {
            let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(clamping: offset))
            guard count < 0 else { return count }
            let number = uvloop_errno()
            if number != EINTR { throw UVError(errno: number) }
        }
    }
}
