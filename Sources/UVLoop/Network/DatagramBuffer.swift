/// The one buffer of a loop that its sockets for datagrams receive into and lend from: room for as many of the longest
/// messages as one system call takes. Pages that no message has touched cost nothing.
final class DatagramBuffer {
    /// How much libuv sets aside for each message.
    private static let longestMessage = 65536
    private static let messagesPerCall = 16

    let memory = UnsafeMutableRawBufferPointer.allocate(
        byteCount: longestMessage * messagesPerCall, alignment: 16)

    deinit { memory.deallocate() }
}
