internal import CLibUV

/// Tells of changes to one file, or to one directory and its direct entries.
///
/// The file is the one that has the path when the watch starts, behind symbolic links. Not told are changes that other
/// machines make on a network file system, writes through shared memory (`mmap`), the move of a directory above, and
/// the exchange of a link on the way. An event asks for a new look; the file may have changed further meanwhile.
/// Mirrors `uv_fs_event_t`, and on Linux inotify itself, since libuv loses some of its events (H80 to H85).
public final class FileWatcher: Handle {
    /// A change.
    public enum Event: Hashable, Sendable, CustomStringConvertible {
        /// Contents or attributes have changed: of the watched file or directory itself (`name` is nil), or of the
        /// directory's entry `name`.
        case changed(name: String?)
        /// The entry `name` of the watched directory was made, removed, given to another file, or is the old name of a
        /// renamed file.
        case renamed(name: String)
        /// Events were lost, since more happened than the system keeps: everything that is watched must be looked at
        /// again.
        case overflow
        /// The path no longer leads to the watched file, which was removed, renamed, replaced, or is on a disk that was
        /// taken away. The watch has ended, and can be started again. For a removed directory the event comes only once
        /// no process has a file open that was in it (H96).
        case gone

        /// The event in words.
        public var description: String {
            switch self {
            case .changed(nil): "the file has changed"
            case .changed(let name?): "\(name) has changed"
            case .renamed(let name): "\(name) was made, removed or renamed"
            case .overflow: "events were lost; everything must be looked at again"
            case .gone: "the file was removed, renamed or replaced; it is not watched any more"
            }
        }
    }

    /// The state of one start, until a stop, a new start or the end.
    private final class Watching {
        let path: String
        let identity: FileIdentity
        let body: (FileWatcher, Event) -> Void
        #if os(Linux)
        var watch: Inotify.Watch?
        #endif
        /// The events since the last delivery, each once.
        var events: [Event] = []
        var known: Set<Event> = []
        /// True if the path may have come to lead elsewhere.
        var mayBeGone = false
        var isGone = false

        init(_ path: String, _ identity: FileIdentity, _ body: @escaping (FileWatcher, Event) -> Void) {
            self.path = path
            self.identity = identity
            self.body = body
        }

        func note(_ event: Event) {
            if known.insert(event).inserted { events.append(event) }
        }
    }

    private var watching: Watching?

    /// The watched path, as it was given (H83: libuv's handles on one file share one path); nil while stopped. Mirrors
    /// `uv_fs_event_getpath`.
    public var path: String? { watching?.path }

    /// Creates a stopped watcher. Mirrors `uv_fs_event_init`, which always returns 0.
    public init(on loop: Loop) {
        #if os(Linux)
        // The handle is a timer that is never due; it keeps the loop running while the watcher is started.
        super.init(uv_timer_t.self, on: loop) { _ = uv_timer_init(loop.raw, $0) }
        #else
        super.init(uv_fs_event_t.self, on: loop) { _ = uv_fs_event_init(loop.raw, $0) }
        #endif
    }

    /// Calls `body` when something happens to the file or directory; restarts a started watcher.
    ///
    /// Equal events within one tick are merged, in the order in which they first came; ``Event/gone`` comes once, as
    /// the last. The callback may stop, restart and close the watcher; the rest of the tick's events is dropped then.
    /// Mirrors `uv_fs_event_start` and `inotify_add_watch(2)`.
    ///
    /// - Throws: ``FileWatchError``; the watcher is stopped then.
    public func start(_ path: String, _ body: @escaping (FileWatcher, Event) -> Void) throws(FileWatchError) {
        guard isUsable("FileWatcher.start: the watcher is closed") else { throw .resources(.canceled) }
        stop()
        let identity: FileIdentity
        do throws(UVError) { identity = try Files.status(of: path).identity } catch { throw .file(path, error) }
        let watching = Watching(path, identity, body)
        try begin(watching)
        self.watching = watching
        // The file may have been exchanged between the status call and the watch.
        watching.mayBeGone = !isStill(identity, at: path)
        if watching.mayBeGone { loop.onNextTick { [weak self] in self?.deliver(watching) } }
    }

    /// Stops watching; the watcher can be started again. Does nothing after a close. Mirrors `uv_fs_event_stop`.
    public func stop() {
        guard !isClosing else { return }
        loop.requireOwner()
        end()
    }

    override func willClose() { end() }

    /// Delivers the noted events, unless the watch has ended or been restarted since.
    private func deliver(_ watching: Watching) {
        guard self.watching === watching else { return }
        let events = watching.events
        watching.events.removeAll(keepingCapacity: true)
        watching.known.removeAll(keepingCapacity: true)
        if watching.mayBeGone { watching.isGone = watching.isGone || !isStill(watching.identity, at: watching.path) }
        watching.mayBeGone = false
        for event in events where self.watching === watching { watching.body(self, event) }
        guard watching.isGone, self.watching === watching else { return }
        end()
        watching.body(self, .gone)
    }

    private func isStill(_ identity: FileIdentity, at path: String) -> Bool {
        do throws(UVError) {
            return try Files.status(of: path).identity == identity
        } catch {
            return false
        }
    }
}

#if os(Linux)
extension FileWatcher: FileEventSink {
    private func begin(_ watching: Watching) throws(FileWatchError) {
        let kinds: Inotify.Kinds = [.contents, .attributes, .names, .itself]
        watching.watch = try Inotify.watch(watching.path, for: kinds, sink: self, on: loop)
        startTimerThatIsNeverDue()
    }

    private func end() {
        guard let watch = watching?.watch else { return }
        watching = nil
        Inotify.end(watch, on: loop)
        // `uv_timer_stop` always returns 0.
        _ = uv_timer_stop(raw.timer)
    }

    func note(_ kinds: Inotify.Kinds, name: UnsafeRawBufferPointer, of watch: Inotify.Watch) {
        guard let watching else { return }
        if kinds.contains(.overflow) {
            watching.note(.overflow)
            watching.mayBeGone = true
        }
        // The kernel sends no more events for this watch (H85: libuv's handle would stay active).
        if !kinds.isDisjoint(with: .ended) { watching.isGone = true }
        // A file that is open somewhere loses its name with only a change of attributes: the number of its names (H87).
        if name.isEmpty, !kinds.isDisjoint(with: [.itself, .attributes]) { watching.mayBeGone = true }
        if !kinds.isDisjoint(with: [.contents, .attributes]) {
            // Includes a change of a directory within the watched one (H82: libuv tells it as a rename).
            watching.note(.changed(name: name.isEmpty ? nil : RawText.string(name)))
        }
        if !name.isEmpty, !kinds.isDisjoint(with: .names) { watching.note(.renamed(name: RawText.string(name))) }
    }

    func deliver() {
        if let watching { deliver(watching) }
    }
}
#else
extension FileWatcher {
    private func begin(_ watching: Watching) throws(FileWatchError) {
        do throws(UVError) {
            let status = try RawText.withCString(watching.path) { path in
                uv_fs_event_start(
                    raw.fileEvent,
                    { raw, name, events, status in
                        withHandle(raw!.pointee.data, as: FileWatcher.self) {
                            $0.happened(events, name.map { RawText.string($0) }, status)
                        }
                    },
                    path,
                    0,
                )
            }
            try check(status)
        } catch {
            throw .file(watching.path, error)
        }
    }

    private func end() {
        guard watching != nil else { return }
        watching = nil
        // `uv_fs_event_stop` always returns 0.
        _ = uv_fs_event_stop(raw.fileEvent)
    }

    private func happened(_ events: CInt, _ name: String?, _ status: CInt) {
        guard let watching else { return }
        watching.mayBeGone = true
        if status < 0 {
            watching.note(.overflow)
        } else if events & CInt(UV_RENAME.rawValue) != 0, let name {
            watching.note(.renamed(name: name))
        } else {
            watching.note(.changed(name: name))
        }
        deliver(watching)
    }
}
#endif
