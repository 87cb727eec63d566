internal import CLibUV

/// A value that threads share, reachable only while its lock is held. Mirrors `uv_mutex_t`.
///
/// Not the standard library's `Mutex`: ThreadSanitizer does not see that one's futex and reports every access to what it
/// guards, so a real race would drown. The lock of libuv is the one of POSIX, which it knows.
package final class Lock<Value>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<uv_mutex_t>.allocate(capacity: 1)
    /// In memory of its own: the mutex already excludes what the runtime would check at every access.
    private let value = UnsafeMutablePointer<Value>.allocate(capacity: 1)

    package init(_ value: sending Value) {
        // Fails only for want of memory for a kernel object that Linux and macOS do not need.
        let status = uv_mutex_init(mutex)
        require(status == 0, "uv_mutex_init: \(UVError(rawValue: status))")
        self.value.initialize(to: value)
    }

    deinit {
        value.deinitialize(count: 1)
        value.deallocate()
        uv_mutex_destroy(mutex)
        mutex.deallocate()
    }

    package func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        return body(&value.pointee)
    }
}
