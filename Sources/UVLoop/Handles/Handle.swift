internal import CLibUV

/// A long-lived object of a loop that must be closed: a timer, a listener, a connection, a child process.
///
/// A handle keeps itself alive from its creation until its close has completed, because libuv may call back until then;
/// dropping the last reference without closing therefore leaks it, and ``Loop/close()`` reports it. Handles are used on
/// their loop's thread only and are not `Sendable`. Mirrors `uv_handle_t`.
public class Handle {
    /// The loop this handle belongs to.
    public let loop: Loop

    /// The C struct in a heap block of its own, because libuv keeps its address and calls back into Swift while a Swift
    /// call on the same handle is still on the stack.
    let raw: UnsafeMutablePointer<uv_handle_t>

    private var closeCompletions: [() -> Void] = []
    private var isClosed = false

    /// Allocates the zeroed C struct, lets `initialise` set it up, and takes the one retain that lasts until the close
    /// callback. When `initialise` fails nothing is left to close.
    init<Raw>(
        _ type: Raw.Type,
        on loop: Loop,
        initialise: (UnsafeMutablePointer<Raw>) -> CInt,
    ) throws(UVError) {
        loop.preconditionOnLoop()
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: MemoryLayout<Raw>.size,
            alignment: MemoryLayout<Raw>.alignment,
        )
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: MemoryLayout<Raw>.size)
        let status = initialise(memory.assumingMemoryBound(to: Raw.self))
        guard status >= 0 else {
            memory.deallocate()
            throw UVError(rawValue: status)
        }
        self.loop = loop
        raw = memory.assumingMemoryBound(to: uv_handle_t.self)
        // Released in the close callback below, and nowhere else.
        raw.pointee.data = Unmanaged.passRetained(self).toOpaque()
    }

    deinit {
        UnsafeMutableRawPointer(raw).deallocate()
    }

    /// Whether the handle does something: a started timer or watcher, a stream that reads or writes, a running child.
    /// Mirrors `uv_is_active`.
    public final var isActive: Bool { uv_is_active(raw) != 0 }

    /// Whether ``close(_:)`` was called. Mirrors `uv_is_closing`.
    public final var isClosing: Bool { isClosed || uv_is_closing(raw) != 0 }

    /// Whether this handle, when active, keeps ``Loop/run(_:)`` from returning; true at first. Mirrors `uv_has_ref`.
    public final var isReferenced: Bool { uv_has_ref(raw) != 0 }

    /// Lets the handle keep the loop running. Idempotent: it is a flag, not a count (H60). Mirrors `uv_ref`.
    public final func ref() {
        loop.assertOnLoop()
        uv_ref(raw)
    }

    /// Lets ``Loop/run(_:)`` return although this handle is active. It still works while the loop runs for other
    /// reasons. Mirrors `uv_unref`.
    public final func unref() {
        loop.assertOnLoop()
        uv_unref(raw)
    }

    /// Ends the handle: its descriptor is closed at once, whatever was queued on it ends as canceled, and on a later tick
    /// `completion` runs as the handle's last callback.
    ///
    /// Idempotent; every completion passed before the end is called once. A completion passed after the handle has
    /// closed is called on the next tick. Mirrors `uv_close`.
    public final func close(_ completion: (() -> Void)? = nil) {
        guard !isClosed else {
            // Harmless even when the loop has closed since.
            if let completion { loop.onNextTick(completion) }
            return
        }
        loop.preconditionOnLoop()
        if let completion { closeCompletions.append(completion) }
        // A second close would be an assertion of libuv's (H33).
        guard uv_is_closing(raw) == 0 else { return }
        willClose()
        uv_close(raw) { raw in
            let handle = Unmanaged<Handle>.fromOpaque(raw!.pointee.data).takeRetainedValue()
            handle.isClosed = true
            handle.didClose()
            let completions = handle.closeCompletions
            handle.closeCompletions = []
            for completion in completions { completion() }
        }
    }

    /// For subclasses: called once, before libuv is told to close the handle.
    func willClose() {}

    /// For subclasses: called once, when libuv is done with the handle; drops every stored closure.
    func didClose() {}
}

@available(*, unavailable)
extension Handle: Sendable {}
