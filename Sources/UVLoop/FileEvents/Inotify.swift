#if os(Linux)
internal import CLibUV

/// The inotify queue of one loop, shared by all its watches: a user may have 128 queues, but watches for many thousand
/// files.
///
/// The queue uses inotify directly. libuv's wrapper drops the kernel's report that events were lost (H80), cannot tell
/// a directory from an entry of the same name (H81), and reads without bound (H84). The queue is opened for the first
/// watch and closed with the last.
final class Inotify {
    /// The kinds of changes to watch for, and of a change that happened. Mirrors `IN_MODIFY` and its like.
    struct Kinds: OptionSet {
        let rawValue: UInt32

        /// The contents of the file, or of an entry of the directory, were changed.
        static let contents = Kinds(rawValue: UInt32(IN_MODIFY))
        /// Mode, owner, times or the number of names were changed.
        static let attributes = Kinds(rawValue: UInt32(IN_ATTRIB))
        /// A name in the directory was made, removed, or given to another file.
        static let names = Kinds(rawValue: UInt32(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO))
        /// A process that could write to the file has closed it, by its end at the latest.
        static let writerClosed = Kinds(rawValue: UInt32(IN_CLOSE_WRITE))
        /// The watched file itself was moved or removed.
        static let itself = Kinds(rawValue: UInt32(IN_MOVE_SELF | IN_DELETE_SELF))
        /// The kernel has removed the watch: the file or its file system is gone.
        static let ended = Kinds(rawValue: UInt32(IN_IGNORED | IN_UNMOUNT))
        /// The kernel's queue was full and events were lost.
        static let overflow = Kinds(rawValue: UInt32(IN_Q_OVERFLOW))
    }

    /// A file watched for a sink. Watches of the same file share one kernel watch.
    final class Watch {
        fileprivate let number: CInt
        fileprivate let kinds: Kinds
        fileprivate weak var sink: (any FileEventSink)?
        /// True if the kernel has removed the watch.
        fileprivate(set) var isEnded = false

        fileprivate init(_ number: CInt, _ kinds: Kinds, _ sink: any FileEventSink) {
            self.number = number
            self.kinds = kinds
            self.sink = sink
        }
    }

    private static let bufferSize = 32768
    private unowned let loop: Loop
    private let descriptor: CInt
    private let poll = allocateZeroed(uv_poll_t.self)
    private var watches: [CInt: [Watch]] = [:]

    /// Watches a file or directory for a sink, until ``end(_:on:)``.
    ///
    /// - Parameter followingLinks: false to watch a symbolic link itself.
    static func watch(
        _ path: String, for kinds: Kinds, followingLinks: Bool = true, sink: any FileEventSink, on loop: Loop
    ) throws(FileWatchError) -> Watch {
        let queue: Inotify
        if let open = loop.inotify { queue = open } else { queue = try Inotify(on: loop) }
        loop.inotify = queue
        defer { queue.closeIfUnused() }
        return try queue.add(path, kinds, followingLinks, sink)
    }

    /// Ends a watch; its sink gets no more events. Does nothing if the watch has ended.
    static func end(_ watch: Watch, on loop: Loop) {
        watch.sink = nil
        guard let queue = loop.inotify else { return }
        queue.remove(watch)
        queue.closeIfUnused()
    }

    private init(on loop: Loop) throws(FileWatchError) {
        let descriptor = uvloop_event_queue()
        guard descriptor >= 0 else {
            UnsafeMutableRawPointer(poll).deallocate()
            throw FileWatchError(openingQueue: UVError(errno: uvloop_errno()))
        }
        self.loop = loop
        self.descriptor = descriptor
        // The handle has no data, by which `Loop.openHandles` knows that it is internal.
        let status = uv_poll_init(loop.raw, poll, descriptor)
        guard status == 0 else {
            UnsafeMutableRawPointer(poll).deallocate()
            OwnedDescriptor(descriptor).close()
            throw FileWatchError(polling: UVError(rawValue: status))
        }
        // `uv_poll_start` fails only for a handle that is closing.
        _ = uv_poll_start(poll, CInt(UV_READABLE.rawValue)) { poll, _, _ in
            let loop: Loop = object(poll!.pointee.loop.pointee.data)
            loop.inotify?.read()
        }
        // The watches keep the loop running, not the queue.
        uv_unref(poll.cast(to: uv_handle_t.self))
        do throws(UVError) {
            try Watches.reserve(descriptor, on: loop.raw)
        } catch {
            close()
            throw FileWatchError(polling: error)
        }
    }

    private func closeIfUnused() {
        guard watches.isEmpty else { return }
        loop.inotify = nil
        close()
    }

    private func close() {
        uv_close(poll.cast(to: uv_handle_t.self)) { UnsafeMutableRawPointer($0!).deallocate() }
        // libuv stopped polling the descriptor in the call above.
        OwnedDescriptor(descriptor).close()
    }

    private func add(
        _ path: String, _ kinds: Kinds, _ followingLinks: Bool, _ sink: any FileEventSink
    ) throws(FileWatchError) -> Watch {
        // The mask is added to the one that other watches of the same file have; without the flag it would replace
        // theirs.
        let mask = kinds.rawValue | UInt32(IN_MASK_ADD) | (followingLinks ? 0 : UInt32(IN_DONT_FOLLOW))
        let number: CInt
        do throws(UVError) {
            number = try checkErrno(RawText.withCString(path) { inotify_add_watch(descriptor, $0, mask) })
        } catch {
            throw FileWatchError(watching: path, error)
        }
        let watch = Watch(number, kinds, sink)
        watches[number, default: []].append(watch)
        return watch
    }

    private func remove(_ watch: Watch) {
        guard var others = watches[watch.number], let index = others.firstIndex(where: { $0 === watch }) else { return }
        others.remove(at: index)
        watches[watch.number] = others.isEmpty ? nil : others
        // The call fails if the kernel has removed the watch already; the queue reports that.
        if others.isEmpty { _ = inotify_rm_watch(descriptor, watch.number) }
    }

    /// Reads once, at most as many events as fit; the rest is read on the next tick. All events are noted before any
    /// sink delivers, so that a burst makes one call.
    private func read() {
        var sinks: [any FileEventSink] = []
        var known: Set<ObjectIdentifier> = []
        withUnsafeTemporaryAllocation(byteCount: Inotify.bufferSize, alignment: 8) { buffer in
            let count = CLibUV.read(descriptor, buffer.baseAddress, buffer.count)
            // Negative if no event waits after all, or a signal came first; the poll is level-triggered and will call
            // again.
            guard count > 0 else { return }
            var rest = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            while let (event, length) = Event.first(of: rest) {
                for watch in concerned(by: event) {
                    guard let sink = watch.sink else { continue }
                    sink.note(event.kinds, name: event.name, of: watch)
                    if known.insert(ObjectIdentifier(sink)).inserted { sinks.append(sink) }
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[length...])
            }
        }
        for sink in sinks { sink.deliver() }
        // The kernel may have removed the last watch.
        if loop.inotify === self { closeIfUnused() }
    }

    private func concerned(by event: Event) -> [Watch] {
        // An overflow belongs to no watch and concerns them all.
        if event.kinds.contains(.overflow) { return watches.values.flatMap { $0 } }
        // Nil if the watch was ended since.
        guard let all = watches[event.watch] else { return [] }
        if !event.kinds.isDisjoint(with: .ended) {
            for watch in all { watch.isEnded = true }
            if event.kinds.rawValue & UInt32(IN_IGNORED) != 0 { watches[event.watch] = nil }
            return all
        }
        return all.filter { !$0.kinds.isDisjoint(with: event.kinds) }
    }

    /// A `struct inotify_event`: four 32-bit numbers, the last of them the length of the name that follows, including
    /// the zeros after it.
    private struct Event {
        let watch: CInt
        let kinds: Kinds
        let name: UnsafeRawBufferPointer

        static func first(of bytes: UnsafeRawBufferPointer) -> (Event, length: Int)? {
            guard bytes.count >= 16 else { return nil }
            let length = Int(bytes.load(fromByteOffset: 12, as: UInt32.self))
            let padded = UnsafeRawBufferPointer(rebasing: bytes[16..<16 + length])
            let name = padded.firstIndex(of: 0).map { UnsafeRawBufferPointer(rebasing: padded[..<$0]) } ?? padded
            let event = Event(
                watch: bytes.load(as: CInt.self),
                kinds: Kinds(rawValue: bytes.load(fromByteOffset: 4, as: UInt32.self)),
                name: name,
            )
            return (event, 16 + length)
        }
    }
}

/// The receiver of file events: they are noted one by one as they are read, then delivered once.
protocol FileEventSink: AnyObject {
    /// Remembers an event; calls nobody.
    ///
    /// - Parameter name: the entry of a watched directory; empty for the watched file itself. Lent for the call.
    func note(_ kinds: Inotify.Kinds, name: UnsafeRawBufferPointer, of watch: Inotify.Watch)
    /// Delivers once all events that were there to read have been noted. May call the user, who may close anything.
    func deliver()
}
#endif
