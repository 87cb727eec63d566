internal import CLibUV

/// Tells that a process has closed a file that it could write to, as the system does for it at its end; also that the
/// file was moved or removed, or its attributes were changed.
///
/// A call asks for a new look: other processes may have the file open for writing too. The watch is of the file itself,
/// whatever its name leads to later, and holds no descriptor beside the one that all watches of a loop share. Linux
/// only. Mirrors `IN_CLOSE_WRITE` of `inotify(7)`.
package final class WriterWatcher: Handle {
    /// Called on later ticks, once for all that happened to the file since the last call.
    package var onEvent: (() -> Void)?
    #if os(Linux)
    private var watch: Inotify.Watch?
    #endif

    /// Creates a stopped watcher.
    package init(on loop: Loop) {
        // The handle is a timer that is never due; it keeps the loop running while the watcher is started.
        super.init(uv_timer_t.self, on: loop) { _ = uv_timer_init(loop.raw, $0) }
    }

    /// True as long as the system tells what happens: it ends a watch with the file, or with the file system.
    package var isWatching: Bool {
        #if os(Linux)
        watch?.isEnded == false
        #else
        false
        #endif
    }

    /// Watches an open file, which may be closed after this call. A watcher is started once.
    ///
    /// - Throws: ``FileWatchError``; with ``UVError/notSupported`` on a file system that does not tell, such as NFS, and
    /// on other systems than Linux.
    package func start(_ file: OpenFile) throws(FileWatchError) {
        guard isUsable("WriterWatcher.start: the watcher is closed") else { throw .resources(.canceled) }
        #if os(Linux)
        require(watch == nil, "WriterWatcher.start: the watcher is started already")
        let path = "/proc/self/fd/\(file.descriptor)"
        guard PathTrace.silentFileSystem(of: path) == nil else { throw .file(path, .notSupported) }
        watch = try Inotify.watch(path, for: [.writerClosed, .attributes, .itself], sink: self, on: loop)
        startTimerThatIsNeverDue()
        #else
        throw .resources(.notSupported)
        #endif
    }

    override func willClose() {
        onEvent = nil
        #if os(Linux)
        if let watch = watch.take() { Inotify.end(watch, on: loop) }
        #endif
    }
}

#if os(Linux)
extension WriterWatcher: FileEventSink {
    /// Empty: every event, a loss of events too, asks for the same look.
    func note(_ kinds: Inotify.Kinds, name: UnsafeRawBufferPointer, of watch: Inotify.Watch) {}

    func deliver() { onEvent?() }
}
#endif
