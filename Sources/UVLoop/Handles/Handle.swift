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

    /// The C struct in a heap block of its own, because libuv keeps its address and calls back into Swift while a Swift
    /// call on the same handle is still on the stack.
    let raw: UnsafeMutablePointer<uv_handle_t>

    /// Whom to tell of the end; made when there is somebody, since most handles have nobody and there are many.
    @exclusivity(unchecked) private var listeners: Listeners?
    @exclusivity(unchecked) private var isClosed = false
    @exclusivity(unchecked) private var closer = Closer.nobody

    private final class Listeners {
        /// Others than the owner, who need not know of each other.
        var watchers: [(who: AnyObject, body: () -> Void)] = []
        var closeCompletions: [() -> Void] = []
        var onCanceled: (() -> Void)?
    }

    private enum Closer {
        case nobody
        /// Whoever has the handle: it is not to be used any more.
        case owner
        /// ``Loop/closeHandles()``, which the owner is told of.
        case loop
        /// The handle itself, after a failure that its owner is told of in its own way.
        case failure
    }

    /// Called once, as the handle's last callback, when the owner did not close it: ``Loop/closeHandles()`` or
    /// ``LoopThread/shutdown()`` did. Work that waited for the handle ends here. Until then, and after it, starting the
    /// handle or writing to it does nothing or fails with ``UVError/canceled``. Not called after ``close(_:)``.
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
    /// callback. When `initialise` fails nothing is left to close.
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

    /// The same for a C struct whose set-up cannot fail.
    init<Raw>(_ type: Raw.Type, on loop: Loop, initialise: (UnsafeMutablePointer<Raw>) -> Void) {
        loop.requireOwner()
        let raw = allocateZeroed(Raw.self)
        initialise(raw)
        self.loop = loop
        self.raw = raw.cast(to: uv_handle_t.self)
        retainUntilClosed()
    }

    /// Released in the close callback below, and nowhere else.
    private func retainUntilClosed() {
        raw.pointee.data = Unmanaged.passRetained(self).toOpaque()
        loop.noteChange()
    }

    deinit {
        UnsafeMutableRawPointer(raw).deallocate()
    }

    /// Whether the handle does something: a started timer or watcher, a stream that reads or writes, a running child.
    /// Mirrors `uv_is_active`.
    public final var isActive: Bool { uv_is_active(raw) != 0 }

    /// True if the handle was told to close, by ``close(_:)`` or ``Loop/closeHandles()``. Mirrors `uv_is_closing`.
    public final var isClosing: Bool { closer != .nobody }

    /// Whether this handle, when active, keeps ``Loop/run(_:)`` from returning; true at first. Mirrors `uv_has_ref`.
    public final var isReferenced: Bool { uv_has_ref(raw) != 0 }

    /// Lets the handle keep the loop running. Idempotent: it is a flag, not a count (H60). Does nothing after a close.
    /// Mirrors `uv_ref`.
    public final func ref() {
        guard !isClosing else { return }
        loop.requireOwner()
        uv_ref(raw)
    }

    /// Lets ``Loop/run(_:)`` return although this handle is active. It still works while the loop runs for other
    /// reasons. Does nothing after a close. Mirrors `uv_unref`.
    public final func unref() {
        guard !isClosing else { return }
        loop.requireOwner()
        uv_unref(raw)
    }

    /// Ends the handle: its descriptor is closed at once, whatever was queued on it ends as canceled, and on a later tick
    /// `completion` runs as the handle's last callback.
    ///
    /// Idempotent; every completion passed before the end is called once. A completion passed after the handle has
    /// closed is called on the next tick. Using the handle afterwards is a programming error. Mirrors `uv_close`.
    public final func close(_ completion: (() -> Void)? = nil) {
        closer = .owner
        listeners?.onCanceled = nil
        guard !isClosed else {
            // Without a completion harmless even when the loop has closed since.
            if let completion { loop.onNextTick(completion) }
            return
        }
        loop.requireOwner()
        if let completion { listening.closeCompletions.append(completion) }
        beginClose()
    }

    /// Calls `body` when the handle has closed, whoever has closed it, before its owner is told; on the next tick if it has
    /// closed already. Keeps `watcher` until then, or until ``forget(_:)``.
    final func whenClosed(_ watcher: AnyObject, _ body: @escaping () -> Void) {
        guard !isClosed else { return loop.onNextTick(body) }
        listening.watchers.append((watcher, body))
    }

    /// Has what was asked for by ``whenClosed(_:_:)`` not called any more.
    final func forget(_ watcher: AnyObject) { listeners?.watchers.removeAll { $0.who === watcher } }

    /// Closes a handle on behalf of its loop; does nothing for one that is closing.
    final func cancel() { close(by: .loop) }

    /// Closes a handle that cannot be used any more, which its owner learns in another way.
    final func closeAfterFailure() { close(by: .failure) }

    private func close(by closer: Closer) {
        guard !isClosing else { return }
        self.closer = closer
        beginClose()
    }

    private func beginClose() {
        // A second close would be an assertion of libuv's (H33).
        guard uv_is_closing(raw) == 0 else { return }
        willClose()
        loop.noteChange()
        uv_close(raw) { raw in
            let handle = Unmanaged<Handle>.fromOpaque(raw!.pointee.data).takeRetainedValue()
            handle.isClosed = true
            handle.didClose()
            guard let listeners = handle.listeners else { return }
            // One may have another forgotten.
            while !listeners.watchers.isEmpty { listeners.watchers.removeFirst().body() }
            if let onCanceled = listeners.onCanceled.take(), handle.isCanceled { onCanceled() }
            handle.listeners = nil
            for completion in listeners.closeCompletions { completion() }
        }
    }

    /// True if the loop has closed the handle, and its owner has not closed it too since.
    final var isCanceled: Bool { closer == .loop }

    /// At the doors: whether the handle can be used. False if it was closed by another than its owner, which is nobody's
    /// mistake; traps with the sentence if its owner has closed it.
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

    /// The name of the type for people: of a handle inside another type, that one's.
    var publicName: String { "\(type(of: self))" }

    /// For subclasses: called once, before libuv is told to close the handle.
    func willClose() {}

    /// For subclasses: called once, when libuv is done with the handle; drops every stored closure.
    func didClose() {}
}

@available(*, unavailable)
extension Handle: Sendable {}
