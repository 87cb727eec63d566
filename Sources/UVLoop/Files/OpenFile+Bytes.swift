internal import CLibUV

/// Reading and writing with the caller's memory, without an array.
extension OpenFile {
    /// Writes once, perhaps only part of the bytes: at the end of a file opened for appending, else from where the last
    /// write ended.
    ///
    /// - Returns: the number of bytes written, from the front.
    /// - Throws: ``UVError/noSpace`` and its like; no byte was written then. Mirrors `write(2)`.
    public func writeOnce(_ bytes: UnsafeRawBufferPointer) throws(UVError) -> Int {
        while true {
            let count = CLibUV.write(descriptor, bytes.baseAddress, bytes.count)
            guard count < 0 else { return count }
            let number = uvloop_errno()
            if number != EINTR { throw UVError(errno: number) }
        }
    }

    /// Reads from an offset on, at most as many bytes as `buffer` holds.
    ///
    /// - Returns: the number of bytes; fewer at the end of the file, 0 past it. Mirrors `pread(2)`.
    public func readOnce(into buffer: UnsafeMutableRawBufferPointer, from offset: UInt64) throws(UVError) -> Int {
        while true {
            let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(clamping: offset))
            guard count < 0 else { return count }
            let number = uvloop_errno()
            if number != EINTR { throw UVError(errno: number) }
        }
    }
}
