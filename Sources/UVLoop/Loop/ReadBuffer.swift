/// The buffer of a loop, which all its streams read into and lend from.
///
/// libuv on Unix asks for memory, reads and calls back in one go, so one buffer serves every stream of a loop. Pages
/// that no read has touched cost nothing; this keeps an idle keeper small.
final class ReadBuffer {
    static let capacity = 65536

    let base = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    private var isLent = false

    deinit { base.deallocate() }

    func lend() -> UnsafeMutableRawPointer {
        assert(!isLent, "the loop's read buffer is lent already")
        isLent = true
        return base
    }

    func giveBack() { isLent = false }
}
