internal import CLibUV

/// A message in the send queue, with its bytes. libuv copies its address.
final class SendRequest: Request {
    let socket: UDPSocket
    let completion: ((UVError?) -> Void)?
    /// The address to send to; nil for a connected socket.
    let address: SocketAddress?
    let bytes: UnsafeRawBufferPointer
    private let memory: UnsafeMutableRawPointer

    init(
        _ bytes: UnsafeRawBufferPointer, _ address: SocketAddress?, _ completion: ((UVError?) -> Void)?,
        of socket: UDPSocket,
    ) throws(UVError) {
        guard let memory = malloc(max(1, bytes.count)) else { throw .outOfMemory }
        self.socket = socket
        self.address = address
        self.completion = completion
        self.memory = memory
        UnsafeMutableRawBufferPointer(start: memory, count: bytes.count).copyMemory(from: bytes)
        self.bytes = UnsafeRawBufferPointer(start: memory, count: bytes.count)
        super.init(uv_udp_send_t.self, on: socket.loop)
    }

    deinit { free(memory) }

    var buffer: uv_buf_t { uv_buf_t(bytes) }

    /// Sends the message by our own system call, past libuv's queue.
    ///
    /// - Returns: false if there is no room for it now.
    func sendNow(by descriptor: CInt) throws(UVError) -> Bool {
        let send = { [bytes] (address: UnsafePointer<sockaddr>?, length: socklen_t) in
            sendto(descriptor, bytes.baseAddress, bytes.count, 0, address, length) < 0 ? uvloop_errno() : 0
        }
        let status = if let address { address.withSockaddr(send) } else { send(nil, 0) }
        guard status != 0 else { return true }
        let error = UVError(errno: status)
        if error == .wouldBlock || error == .noBuffers { return false }
        throw error
    }
}
