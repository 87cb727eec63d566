internal import CLibUV

extension Descriptors {
    /// Returns the next bytes of a file that are no hole, from an offset on; nil if there are none. Mirrors `lseek(2)` with
    /// SEEK_DATA and SEEK_HOLE; the descriptor's place stays.
    ///
    /// Nobody has written to a hole. A file system that does not tell of holes has none: the range ends with the numbers then.
    package static func nextData(of descriptor: Int32, from offset: Int) throws(UVError) -> Range<Int>? {
        var end: Int64 = 0
        let start = uvloop_next_data(descriptor, Int64(offset), &end)
        guard start < 0 else { return Int(start)..<max(Int(start), Int(end)) }
        switch uvloop_errno() {
        case ENXIO: return nil
        case EINVAL, ENOTSUP, EOPNOTSUPP: return offset..<Int.max
        case let number: throw UVError(errno: number)
        }
    }
}
