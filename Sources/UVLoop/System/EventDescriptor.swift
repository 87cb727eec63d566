internal import CLibUV

/// A descriptor that is readable once it was signaled, until it is cleared; closed with its last reference on any thread.
/// Mirrors `eventfd(2)`.
final class EventDescriptor: Sendable {
    let number: CInt

    /// - Throws: ``UVError/notSupported`` on a system without it, ``UVError/tooManyOpenFiles`` and its like.
    init() throws(UVError) { number = try checkErrno(uvloop_eventfd()) }

    deinit { OwnedDescriptor(number).close() }

    /// Makes the descriptor readable. On any thread.
    func signal() {
        // The only failure, a full counter, is readable already.
        withUnsafeBytes(of: UInt64(1)) { _ = write(number, $0.baseAddress, $0.count) }
    }

    /// Makes the descriptor unreadable until the next signal.
    func clear() {
        var count: UInt64 = 0
        // The only failure is that nothing was signaled.
        withUnsafeMutableBytes(of: &count) { _ = read(number, $0.baseAddress, $0.count) }
    }
}
