internal import CLibUV

// All casts between libuv's structs of handles and requests are in this file. libuv lays out every handle with the
// fields of `uv_handle_t` first and every request with those of `uv_req_t`, and its own manual casts between them. Each
// cast compiles to nothing.

extension UnsafeMutablePointer {
    @inline(__always)
    func cast<Target>(to type: Target.Type) -> UnsafeMutablePointer<Target> {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: type)
    }
}

extension UnsafeMutablePointer<uv_handle_t> {
    var timer: UnsafeMutablePointer<uv_timer_t> { cast(to: uv_timer_t.self) }
    var signal: UnsafeMutablePointer<uv_signal_t> { cast(to: uv_signal_t.self) }
    var prepare: UnsafeMutablePointer<uv_prepare_t> { cast(to: uv_prepare_t.self) }
    var check: UnsafeMutablePointer<uv_check_t> { cast(to: uv_check_t.self) }
    var idle: UnsafeMutablePointer<uv_idle_t> { cast(to: uv_idle_t.self) }
    var poll: UnsafeMutablePointer<uv_poll_t> { cast(to: uv_poll_t.self) }
    var pipe: UnsafeMutablePointer<uv_pipe_t> { cast(to: uv_pipe_t.self) }
    var tcp: UnsafeMutablePointer<uv_tcp_t> { cast(to: uv_tcp_t.self) }
    var udp: UnsafeMutablePointer<uv_udp_t> { cast(to: uv_udp_t.self) }
    var tty: UnsafeMutablePointer<uv_tty_t> { cast(to: uv_tty_t.self) }
    var stream: UnsafeMutablePointer<uv_stream_t> { cast(to: uv_stream_t.self) }
    var fileEvent: UnsafeMutablePointer<uv_fs_event_t> { cast(to: uv_fs_event_t.self) }
    var process: UnsafeMutablePointer<uv_process_t> { cast(to: uv_process_t.self) }
}

/// The Swift object behind the `data` field of a handle or request.
@inline(__always)
func object<Object: AnyObject>(_ data: UnsafeMutableRawPointer, as type: Object.Type = Object.self) -> Object {
    Unmanaged<Object>.fromOpaque(data).takeUnretainedValue()
}

/// Calls `body` with the object behind the `data` field of a handle, without the two atomic counts of `object`; for the
/// callbacks that run most often. The handle's own retain keeps the object alive: the close callback releases it, and
/// libuv never calls that from within another callback.
@inline(__always)
func withHandle<Object: Handle>(_ data: UnsafeMutableRawPointer, as type: Object.Type, _ body: (Object) -> Void) {
    Unmanaged<Object>.fromOpaque(data)._withUnsafeGuaranteedRef(body)
}

/// A zeroed C struct in a heap block of its own.
func allocateZeroed<Raw>(_ type: Raw.Type) -> UnsafeMutablePointer<Raw> {
    let memory = UnsafeMutableRawPointer.allocate(
        byteCount: MemoryLayout<Raw>.size, alignment: MemoryLayout<Raw>.alignment)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: MemoryLayout<Raw>.size)
    return memory.assumingMemoryBound(to: type)
}

extension uv_buf_t {
    /// Creates a buffer for a write. libuv's buffers have a mutable type; writes do not change them. `uv_buf_init` is
    /// not used, since it counts in 32 bits.
    init(_ bytes: UnsafeRawBufferPointer) {
        self.init()
        base = UnsafeMutableRawPointer(mutating: bytes.baseAddress)?.assumingMemoryBound(to: CChar.self)
        len = .init(bytes.count)
    }
}
