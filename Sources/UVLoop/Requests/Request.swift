internal import CLibUV

/// An operation of a loop that is under way and ends by itself: unlike a ``Handle`` it has nothing to close, and it can
/// be canceled.
///
/// A request keeps itself alive until it has ended, and its loop running. A request is used on its loop's thread only
/// and is not `Sendable`. Mirrors `uv_req_t`.
public class Request {
    /// The loop this request belongs to.
    public let loop: Loop

    /// Called once, on a later tick, instead of the completion, if ``cancel()`` has succeeded. Dropped when the request
    /// ends, in any way.
    public final var onCanceled: (() -> Void)?

    /// The C struct in a heap block of its own, whose address libuv keeps.
    final let raw: UnsafeMutablePointer<uv_req_t>
    private var state = State.underWay

    private enum State {
        case underWay
        /// Canceled; libuv's callback is still to come.
        case canceled
        case ended
    }

    /// Takes the one retain that lasts until the request ends; ``ended(_:as:)`` or ``withdraw()`` releases it.
    init<Raw>(_ type: Raw.Type, on loop: Loop) {
        loop.requireOwner()
        self.loop = loop
        raw = allocateZeroed(Raw.self).cast(to: uv_req_t.self)
        raw.pointee.data = Unmanaged.passRetained(self).toOpaque()
    }

    deinit { UnsafeMutableRawPointer(raw).deallocate() }

    /// Cancels the operation if it has not begun, and calls ``onCanceled``; an operation that has begun goes on and
    /// completes. Mirrors `uv_cancel`.
    ///
    /// - Returns: false if the operation has begun, has ended, or was canceled before.
    @discardableResult
    public final func cancel() -> Bool {
        loop.requireOwner()
        // libuv would queue the request twice at a second call (H73).
        guard case .underWay = state, uv_cancel(raw) == 0 else { return false }
        state = .canceled
        return true
    }

    /// Returns the request in its last callback, and releases libuv's retain.
    static func ended<Ended: Request>(_ data: UnsafeMutableRawPointer, as type: Ended.Type) -> Ended {
        let request = Unmanaged<Ended>.fromOpaque(data).takeRetainedValue()
        request.state = .ended
        return request
    }

    /// Ends a request that libuv has refused; no callback comes.
    final func withdraw() {
        state = .ended
        Unmanaged.passUnretained(self).release()
    }
}

@available(*, unavailable)
extension Request: Sendable {}
