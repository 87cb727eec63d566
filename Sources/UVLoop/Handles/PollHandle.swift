internal import CLibUV

/// Watches a descriptor that other code owns for readiness.
///
/// The descriptor must stay open until the handle has closed, and be one the system can poll: a socket, a pipe, a
/// pidfd, not a regular file. The handle makes it non-blocking. Mirrors `uv_poll_t`.
public final class PollHandle: Handle {
    /// The events to watch for, and the events that happened.
    public struct Events: OptionSet, Hashable, Sendable {
        /// The bits of `UV_READABLE` and its like.
        public let rawValue: Int

        /// Creates a set from libuv's bits.
        public init(rawValue: Int) {
            self.rawValue = rawValue
        }

        /// A read would not block. Mirrors `UV_READABLE`.
        public static let readable = Events(rawValue: Int(UV_READABLE.rawValue))
        /// A write would not block. Mirrors `UV_WRITABLE`.
        public static let writable = Events(rawValue: Int(UV_WRITABLE.rawValue))
        /// The peer has finished sending. Mirrors `UV_DISCONNECT`.
        public static let disconnect = Events(rawValue: Int(UV_DISCONNECT.rawValue))
        /// Urgent data. Mirrors `UV_PRIORITIZED`.
        public static let prioritized = Events(rawValue: Int(UV_PRIORITIZED.rawValue))
    }

    private var body: ((PollHandle, Events, UVError?) -> Void)?

    /// Creates a stopped watcher for `descriptor`. Mirrors `uv_poll_init`.
    ///
    /// - Throws: ``UVError/exists`` if the loop already watches the descriptor, ``UVError/notPermitted`` if it cannot be
    ///   polled, ``UVError/badDescriptor``.
    public init(descriptor: Int32, on loop: Loop) throws(UVError) {
        try super.init(uv_poll_t.self, on: loop) { uv_poll_init(loop.raw, $0, descriptor) }
    }

    /// Calls `body` on every tick on which one of `events` holds (level-triggered); an error ends the watch.
    /// Starting again changes events and callback. Mirrors `uv_poll_start`.
    ///
    /// - Throws: ``UVError/noSpace`` if the user's watches have run out, ``UVError/canceled`` if the loop has closed
    /// the watcher.
    public func start(_ events: Events, _ body: @escaping (PollHandle, Events, UVError?) -> Void) throws(UVError) {
        guard isUsable("PollHandle.start: the watcher is closed") else { throw .canceled }
        let status = uv_poll_start(raw.poll, CInt(events.rawValue)) { raw, status, events in
            let handle: PollHandle = object(raw!.pointee.data)
            handle.body?(handle, Events(rawValue: Int(events)), failure(status))
        }
        try check(status)
        do throws(UVError) {
            var descriptor: uv_os_fd_t = -1
            try check(uv_fileno(raw, &descriptor))
            try Watches.reserve(descriptor, on: loop.raw)
        } catch {
            // `uv_poll_stop` always returns 0.
            _ = uv_poll_stop(raw.poll)
            throw error
        }
        self.body = body
    }

    /// Stops watching; the watcher can be started again. Does nothing after a close. Mirrors `uv_poll_stop`.
    public func stop() {
        // libuv would abort the process for a closing handle.
        guard !isClosing else { return }
        loop.requireOwner()
        // `uv_poll_stop` always returns 0.
        _ = uv_poll_stop(raw.poll)
        body = nil
    }

    override func willClose() { body = nil }
}
