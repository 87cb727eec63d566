internal import CLibUV

/// A long-lived object of a loop that must be closed: a timer, a listener, a connection, a child process.
///
/// A handle keeps itself alive from its creation until its close has completed, because libuv may call back until then;
/// dropping the last reference without closing therefore leaks it, and ``Loop/close()`` reports it. Handles are used on
/// their loop's thread only and are not `Sendable`. Mirrors `uv_handle_t`.
///
/// Numbers such as H33, here and in other comments, name hazards of libuv: `docs/libuv-hazards.md` explains each.
public class Handle {
    /// The loop this handle belongs to.
    public let loop: Loop

    /// The C struct, in a heap block of its own: libuv keeps its address, and calls back into Swift while a Swift call
    /// on the same handle is still on the stack.
    let raw: UnsafeMutablePointer<uv_handle_t>

    /// The closures to call at the end. Created when the first is set, since there are many handles and most have none.
    @exclusivity(unchecked) private var listeners: Listeners?
    @exclusivity(unchecked) private var isClosed = false
    @exclusivity(unchecked) private var closer = Closer.nobody

    private final class Listeners {
        /// Watchers other than the owner, independent of each other.
        var watchers: [(who: AnyObject, body: () -> Void)] = []
        var closeCompletions: [() -> Void] = []
        var onCanceled: (() -> Void)?
    }

    private enum Closer {
        case nobody
        /// The owner, who must not use the handle any more.
        case owner
        /// ``Loop/closeHandles()``; the owner is told.
        case loop
        /// The handle itself, after a failure that its owner learns in another way.
        case failure
    }

    /// Called once, as the handle's last callback, if ``Loop/closeHandles()`` or ``LoopThread/shutdown()`` closed the
    /// handle, not its owner. Work that waited for the handle ends here. From that close on, starting the handle or
    /// writing to it does nothing or fails with ``UVError/canceled``. Never called after ``close(_:)``.
    public final var onCanceled: (() -> Void)? {
        get { listeners?.onCanceled }
        set { if newValue != nil || listeners != nil { listening.onCanceled = newValue } }
    }

    private var listening: Listeners {
        let listeners = listeners ?? Listeners()
        self.listeners = listeners
        return listeners
    }

    /// Allocates the zeroed C struct, lets `initialise` set it up, and takes the one retain that lasts until the close
    /// callback. If `initialise` fails, nothing is left to close.
    init<Raw>(
        _ type: Raw.Type,
        on loop: Loop,
        initialise: (UnsafeMutablePointer<Raw>) -> CInt,
    ) throws(UVError) {
        loop.requireOwner()
        let raw = allocateZeroed(Raw.self)
        let status = initialise(raw)
        guard status >= 0 else {
            UnsafeMutableRawPointer(raw).deallocate()
            throw UVError(rawValue: status)
        }
        self.loop = loop
        self.raw = raw.cast(to: uv_handle_t.self)
        retainUntilClosed()
    }

    /// Creates a handle whose C struct cannot fail to be set up.
    init<Raw>(_ type: Raw.Type, on loop: Loop, initialise: (UnsafeMutablePointer<Raw>) -> Void) {
        loop.requireOwner()
        let raw = allocateZeroed(Raw.self)
        initialise(raw)
        self.loop = loop
        self.raw = raw.cast(to: uv_handle_t.self)
        retainUntilClosed()
    }

    /// Takes the retain that the close callback below releases; no other code does.
    private func retainUntilClosed() {
        raw.pointee.data = Unmanaged.passRetained(self).toOpaque()
        loop.noteChange()
    }

    deinit {
        UnsafeMutableRawPointer(raw).deallocate()
    }

    /// True if the handle is at work: a started timer or watcher, a stream that reads or writes, a running child.
    /// Mirrors `uv_is_active`.
    public final var isActive: Bool { uv_is_active(raw) != 0 }

    /// True if the handle was told to close, by ``close(_:)`` or ``Loop/closeHandles()``. Mirrors `uv_is_closing`.
    public final var isClosing: Bool { closer != .nobody }

    /// True if this handle, when active, keeps ``Loop/run(_:)`` from returning; true at first. Mirrors `uv_has_ref`.
    public final var isReferenced: Bool { uv_has_ref(raw) != 0 }

    /// Lets the handle keep the loop running. Idempotent: a flag, not a count (H60). Does nothing after a close.
    /// Mirrors `uv_ref`.
    public final func ref() {
        guard !isClosing else { return }
        loop.requireOwner()
        uv_ref(raw)
    }

    /// Lets ``Loop/run(_:)`` return although this handle is active. The handle still works while the loop runs for
    /// other reasons. Does nothing after a close. Mirrors `uv_unref`.
    public final func unref() {
        guard !isClosing else { return }
        loop.requireOwner()
        uv_unref(raw)
    }

    /// Ends the handle: its descriptor is closed at once, operations that were queued on it end as canceled, and on a
    /// later tick `completion` runs as the handle's last callback.
    ///
    /// Idempotent; every completion passed before the end is called once. A completion passed after the handle has
    /// closed is called on the next tick. Using the handle after this call is a programming error. Mirrors `uv_close`.
    public final func close(_ completion: (() -> Void)? = nil) {
        closer = .owner
        listeners?.onCanceled = nil
        guard !isClosed else {
            // If the loop has closed since, only a call without a completion is harmless.
            if let completion { loop.onNextTick(completion) }
            return
        }
        loop.requireOwner()
        if let completion { listening.closeCompletions.append(completion) }
        beginClose()
    }

    /// Calls `body` when the handle has closed, whoever closed it, before its owner is told; on the next tick if it has
    /// closed already. Keeps `watcher` alive until then, or until ``forget(_:)``.
    final func whenClosed(_ watcher: AnyObject, _ body: @escaping () -> Void) {
        guard !isClosed else { return loop.onNextTick(body) }
        listening.watchers.append((watcher, body))
    }

    /// Cancels ``whenClosed(_:_:)`` for this watcher.
    final func forget(_ watcher: AnyObject) { listeners?.watchers.removeAll { $0.who === watcher } }

    /// Closes a handle on behalf of its loop; does nothing if it is closing.
    final func cancel() { close(by: .loop) }

    /// Closes a handle that has become useless, of which its owner learns in another way.
    final func closeAfterFailure() { close(by: .failure) }

    private func close(by closer: Closer) {
        guard !isClosing else { return }
        self.closer = closer
        beginClose()
    }

    private func beginClose() {
        // A second close would fail an assertion of libuv's (H33).
        guard uv_is_closing(raw) == 0 else { return }
        willClose()
        loop.noteChange()
        uv_close(raw) { raw in
            let handle = Unmanaged<Handle>.fromOpaque(raw!.pointee.data).takeRetainedValue()
            handle.isClosed = true
            handle.didClose()
            guard let listeners = handle.listeners else { return }
            // A body may forget other watchers.
            while !listeners.watchers.isEmpty { listeners.watchers.removeFirst().body() }
            if let onCanceled = listeners.onCanceled.take(), handle.isCanceled { onCanceled() }
            handle.listeners = nil
            for completion in listeners.closeCompletions { completion() }
        }
    }

    /// True if the loop has closed the handle, and the owner has not closed it since.
    final var isCanceled: Bool { closer == .loop }

    /// Checks at the start of each operation that the handle can be used. False if another than its owner has closed
    /// it, which is nobody's mistake; traps with the sentence if its owner has.
    @inline(__always)
    final func isUsable(_ sentence: @autoclosure () -> String) -> Bool {
        guard isClosing else {
            loop.requireOwner()
            loop.noteChange()
            return true
        }
        require(closer != .owner, sentence())
        return false
    }

    /// The type's name for messages; for a handle inside another type, the outer type's name.
    var publicName: String { "\(type(of: self))" }

    /// For subclasses: called once, before libuv is told to close the handle.
    func willClose() {}

    /// For subclasses: called once, when libuv no longer uses the handle; drops every stored closure.
    func didClose() {}
}

@available(*, unavailable)
extension Handle: Sendable {}
