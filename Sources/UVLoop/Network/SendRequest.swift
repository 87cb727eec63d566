internal import CLibUV

/// A message that waits, with its bytes. libuv copies its address.
final class SendRequest: Request {
    let socket: UDPSocket
    let completion: ((UVError?) -> Void)?
    private let bytes: UnsafeMutableRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer, _ completion: ((UVError?) -> Void)?, of socket: UDPSocket) throws(UVError) {
        guard let memory = malloc(max(1, bytes.count)) else { throw .outOfMemory }
        self.socket = socket
        self.completion = completion
        self.bytes = UnsafeMutableRawBufferPointer(start: memory, count: bytes.count)
        self.bytes.copyMemory(from: bytes)
        super.init(uv_udp_send_t.self, on: socket.loop)
    }

    deinit { free(bytes.baseAddress) }

    var buffer: uv_buf_t { uv_buf_t(UnsafeRawBufferPointer(bytes)) }
}
