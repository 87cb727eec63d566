/// The buffer of a loop, which all its UDP sockets receive into and lend from. The buffer has room for as many of the
/// longest messages as one system call takes. Pages that no message has touched cost nothing.
final class DatagramBuffer {
    /// The space that libuv reserves for each message, in bytes.
    private static let longestMessage = 65536
    private static let messagesPerCall = 16

    let memory = UnsafeMutableRawBufferPointer.allocate(
        byteCount: longestMessage * messagesPerCall, alignment: 16)

    deinit { memory.deallocate() }
}
