internal import CLibUV

/// A value that threads share, reachable only while its lock is held. Mirrors `uv_mutex_t`.
///
/// libuv's POSIX lock is used instead of the standard library's `Mutex`: ThreadSanitizer does not know the futex of
/// `Mutex`, and reports every access to the guarded value, so that a real race would go unnoticed.
package final class Lock<Value>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<uv_mutex_t>.allocate(capacity: 1)
    /// The value has memory of its own: the mutex already excludes what the runtime would check at every access.
    private let value = UnsafeMutablePointer<Value>.allocate(capacity: 1)

    package init(_ value: sending Value) {
        // `uv_mutex_init` fails only for want of memory for a kernel object, which Linux and macOS do not need.
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
