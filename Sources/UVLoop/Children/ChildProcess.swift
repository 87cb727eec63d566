internal import CLibUV

/// A child process: started, watched and signalled by a loop.
///
/// It keeps itself alive until its exit has been reported, or it is closed. On Linux the child is started by
/// `posix_spawn` and watched through a pidfd: the cost does not grow with the parent's memory (H36), no descriptor of
/// this program reaches it but the ones named, SIGCHLD stays the host's, and a host that waits for all children only
/// takes the status, not the event (H46). Elsewhere, for other users' ids, or if asked, `uv_spawn` does it. Mirrors
/// `uv_process_t`.
public final class ChildProcess {
    /// The process id, also the group id of a detached child. Once the exit was reported it may be somebody else's.
    public let pid: Int32
    /// Our ends of the pipes, by the child's descriptor; nil where the child got none. They are the caller's to close.
    public let streams: [PipeStream?]
    /// How it ended; nil while it runs.
    public private(set) var exitStatus: ProcessExit?

    /// Called once when the loop has closed the watch (``Loop/closeHandles()``): the exit will not be reported, and the child
    /// is as after a ``close()``. Not called after that.
    public var onCanceled: ((ChildProcess) -> Void)?

    private let watcher: any ChildWatcher
    private var onExit: ((ChildProcess, ProcessExit) -> Void)?

    /// Starts the child; when this returns, its executable runs.
    ///
    /// `onExit` runs once, on a later tick, when the child has ended; output that it left in pipes may still be unread
    /// then (H49). It does not run after ``close()``. Mirrors `uv_spawn`.
    public init(
        _ configuration: Configuration,
        on loop: Loop,
        onExit: @escaping (ChildProcess, ProcessExit) -> Void,
    ) throws(SpawnError) {
        loop.requireOwner()
        // C would cut the strings off at a zero byte, and run the child in another directory.
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
        self.watcher = watcher
        pid = watcher.pid
        streams = stdio.streams
        self.onExit = onExit
        // The watcher holds this closure, and with it the child, until the exit or the close.
        watcher.onExit = { status in self.ended(status) }
        watcher.onCanceled = { self.canceled() }
    }

    /// Whether children are started by `posix_spawn` and watched through pidfds here, unless a configuration says otherwise.
    public static var usesPidfd: Bool {
        #if os(Linux)
        PidfdWatcher.isAvailable
        #else
        false
        #endif
    }

    /// Whether the child has not been seen to end.
    public var isRunning: Bool { exitStatus == nil && !watcher.isClosing }

    /// Lets the loop end although the child runs. Mirrors `uv_unref`.
    public func unref() { watcher.unref() }

    /// Keeps the loop running while the child runs, as it is at first. Mirrors `uv_ref`.
    public func ref() { watcher.ref() }

    /// Sends the child a signal.
    ///
    /// - Throws: ``UVError/noProcess`` once it has ended: its id may be somebody else's by then (H48).
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

    /// For a program that takes SIGCHLD from libuv (blocks it, reads it itself): call this when it has come. Where there are no
    /// pidfds, nothing else collects the child; `onExit` may run during this call.
    public func collectIfEnded() {
        guard isRunning else { return }
        watcher.loop.requireOwner()
        watcher.collectIfEnded()
    }

    /// Stops watching; `onExit` does not run any more. A child that still runs stays a zombie from its end to the end of
    /// this process (H47): to let go of a child, use ``unref()``. Idempotent.
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

/// What watches a child: a pidfd or libuv's own handle.
protocol ChildWatcher: Handle {
    var pid: Int32 { get }
    var onExit: ((ProcessExit) -> Void)? { get set }
    func send(_ signal: Signal) throws(UVError)
    func collectIfEnded()
}
