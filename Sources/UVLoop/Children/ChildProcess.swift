internal import CLibUV

/// A child process: started, watched and signalled by a loop.
///
/// The object keeps itself alive until the exit has been reported, or until it is closed. On Linux the child is started
/// by `posix_spawn` and watched through a pidfd. The cost then does not grow with the parent's memory (H36), and the
/// child inherits no descriptor but those configured. SIGCHLD stays the host's; a host that waits for all children
/// takes only the exit status, not the event (H46). Elsewhere, for other users' ids, or if asked, `uv_spawn` starts the
/// child. Mirrors `uv_process_t`.
public final class ChildProcess {
    /// The process id; for a detached child also its group id. Once the exit has been reported, another process may
    /// have the number.
    public let pid: Int32
    /// Our ends of the pipes, by the child's descriptor; nil for a descriptor without a pipe. The caller closes them.
    public let streams: [PipeStream?]
    /// The child's end; nil while it runs.
    public private(set) var exitStatus: ProcessExit?

    /// Called once if the loop has closed the watch (``Loop/closeHandles()``): the exit will not be reported, and the
    /// child continues as after ``close()``, unless it gets ``signalOnCancel``. Never called after ``close()``.
    public var onCanceled: ((ChildProcess) -> Void)?

    /// The signal that the child gets if the loop closes the watch; nil: the child continues.
    public var signalOnCancel: Signal? {
        get { watcher.signalOnCancel }
        set { watcher.signalOnCancel = newValue }
    }

    private let watcher: any ChildWatcher
    private var onExit: ((ChildProcess, ProcessExit) -> Void)?

    /// Starts the child; when this returns, its executable runs.
    ///
    /// `onExit` runs once, on a later tick, when the child has ended; output may still be unread in its pipes then
    /// (H49). After ``close()`` it never runs. Mirrors `uv_spawn`.
    public convenience init(
        _ configuration: Configuration,
        on loop: Loop,
        onExit: @escaping (ChildProcess, ProcessExit) -> Void,
    ) throws(SpawnError) {
        loop.requireOwner()
        // A zero byte would truncate the string in C, and so start the child in another directory.
        guard !configuration.executable.isEmpty, !configuration.executable.utf8.contains(0),
            !(configuration.workingDirectory ?? "").utf8.contains(0)
        else { throw .invalidArgument }
        let stdio = try ChildStdio(configuration.stdio, on: loop)
        let watcher: any ChildWatcher
        do throws(SpawnError) {
            #if os(Linux)
            watcher =
                configuration.needsLibuv || !PidfdWatcher.isAvailable
                ? try LibuvWatcher(configuration, stdio: stdio, on: loop)
                : try PidfdWatcher(configuration, stdio: stdio, on: loop)
            #else
            watcher = try LibuvWatcher(configuration, stdio: stdio, on: loop)
            #endif
        } catch {
            stdio.closeAll()
            throw error
        }
        stdio.closeChildEnds()
        self.init(watcher, stdio.streams, onExit)
    }

    /// Watches a child once more that ``close()`` has let go of while it ran. A status that another part of the program
    /// has collected meanwhile is ``ProcessExit/unknown``. Linux only.
    ///
    /// - Parameter process: the child, which its start time has proven; its pidfd is taken, on failure too.
    package convenience init(
        resuming process: ProcessDescriptor,
        on loop: Loop,
        onExit: @escaping (ChildProcess, ProcessExit) -> Void,
    ) throws(UVError) {
        loop.requireOwner()
        #if os(Linux)
        self.init(try PidfdWatcher(resuming: process, on: loop), [], onExit)
        #else
        throw .notSupported
        #endif
    }

    private init(
        _ watcher: any ChildWatcher,
        _ streams: [PipeStream?],
        _ onExit: @escaping (ChildProcess, ProcessExit) -> Void,
    ) {
        self.watcher = watcher
        pid = watcher.pid
        self.streams = streams
        self.onExit = onExit
        // The watcher holds this closure, and with it the child, until the exit or the close.
        watcher.onExit = { status in self.ended(status) }
        watcher.onCanceled = { self.canceled() }
    }

    /// True if children are started by `posix_spawn` and watched through pidfds here, unless a configuration says
    /// otherwise.
    public static var usesPidfd: Bool {
        #if os(Linux)
        PidfdWatcher.isAvailable
        #else
        false
        #endif
    }

    /// True if a pidfd watches this child.
    package var hasPidfd: Bool {
        #if os(Linux)
        watcher is PidfdWatcher
        #else
        false
        #endif
    }

    /// True until the child has been seen to end or is closed.
    public var isRunning: Bool { exitStatus == nil && !watcher.isClosing }

    /// Lets the loop's run return although the child runs. Mirrors `uv_unref`.
    public func unref() { watcher.unref() }

    /// Keeps the loop running while the child runs; the initial state. Mirrors `uv_ref`.
    public func ref() { watcher.ref() }

    /// Sends the child a signal.
    ///
    /// - Throws: ``UVError/noProcess`` once the child has ended: another process may have its id by then (H48).
    public func kill(_ signal: Signal = .terminate) throws(UVError) {
        guard isRunning else { throw .noProcess }
        watcher.loop.requireOwner()
        try watcher.send(signal)
    }

    /// Sends a signal to the process group that a detached child leads.
    ///
    /// - Throws: ``UVError/noProcess`` once the child has ended, or if it leads no group.
    public func killGroup(_ signal: Signal = .terminate) throws(UVError) {
        guard isRunning else { throw .noProcess }
        watcher.loop.requireOwner()
        try Processes.send(signal, toGroup: pid)
    }

    /// Collects the child if it has ended; `onExit` may run during this call. For a program that takes SIGCHLD from
    /// libuv (blocks it, or reads it itself), to be called after each SIGCHLD: without pidfds no other code collects
    /// the child.
    public func collectIfEnded() {
        guard isRunning else { return }
        watcher.loop.requireOwner()
        watcher.collectIfEnded()
    }

    /// Stops watching; `onExit` does not run any more. A child that still runs will be a zombie from its end to the end
    /// of this process (H47): to let go of a child, use ``unref()``. Idempotent.
    public func close() {
        onExit = nil
        onCanceled = nil
        watcher.onExit = nil
        watcher.close(nil)
    }

    private func canceled() {
        let onCanceled = onCanceled
        close()
        onCanceled?(self)
    }

    private func ended(_ status: ProcessExit) {
        exitStatus = status
        let onExit = onExit
        close()
        onExit?(self, status)
    }
}

@available(*, unavailable)
extension ChildProcess: Sendable {}

/// The part of a ``ChildProcess`` that watches the child: through a pidfd, or by libuv's own handle.
protocol ChildWatcher: Handle {
    var pid: Int32 { get }
    var onExit: ((ProcessExit) -> Void)? { get set }
    var signalOnCancel: Signal? { get set }
    func send(_ signal: Signal) throws(UVError)
    func collectIfEnded()
}

extension ChildWatcher {
    /// Sends the signal for a child whose watch the loop closes, before it is closed.
    func signalIfCanceled() {
        guard isCanceled, let signalOnCancel else { return }
        do throws(UVError) { try send(signalOnCancel) } catch {
            // The child has ended at this moment.
        }
    }
}
