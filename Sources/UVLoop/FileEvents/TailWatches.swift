/// The system's watches for one tail: on the open file, and on the directories through which the path leads to it.
final class TailWatches {
    private let loop: Loop
    /// Called after an event for which the tail must look.
    var onEvent: (() -> Void)?
    /// The reason why the tail must look from time to time, in words; nil if the system reports every change.
    private(set) var silence: String?

    #if os(Linux)
    private var directories: [PathTrace.Directory: Inotify.Watch] = [:]
    private var file: (identity: FileIdentity, watch: Inotify.Watch)?
    private var isTouched = false
    #endif

    init(on loop: Loop) { self.loop = loop }

    /// Watches the path as it is now, and ends all other watches.
    ///
    /// - Returns: true if something was not watched before: its earlier changes were not reported, so the tail must
    /// look again.
    func watch(_ trace: PathTrace, _ place: TailPlace?) -> Bool {
        silence = trace.silentFileSystem.map { "\($0) does not tell what others change" }
        #if os(Linux)
        guard silence == nil else {
            end()
            return false
        }
        let wanted = Set(trace.directories)
        for (directory, watch) in directories where !wanted.contains(directory) {
            directories[directory] = nil
            Inotify.end(watch, on: loop)
        }
        var isNew = false
        for directory in trace.directories where directories[directory] == nil {
            if add(directory) { isNew = true }
        }
        return watch(place) || isNew
        #else
        return false
        #endif
    }

    /// Ends all watches.
    func end() {
        #if os(Linux)
        for watch in directories.values { Inotify.end(watch, on: loop) }
        directories = [:]
        if let watch = file.take()?.watch { Inotify.end(watch, on: loop) }
        #endif
    }
}

#if os(Linux)
extension TailWatches: FileEventSink {
    private func add(_ directory: PathTrace.Directory) -> Bool {
        let kinds: Inotify.Kinds = directory.name == nil ? [.itself, .attributes] : [.itself, .attributes, .names]
        do throws(FileWatchError) {
            directories[directory] = try Inotify.watch(
                directory.path, for: kinds, followingLinks: false, sink: self, on: loop)
            return true
        } catch {
            // The directory has gone since the walk; the next walk finds the new way.
            if [.noEntry, .notDirectory].contains(error.systemError) { return true }
            // A directory further up may not be read, as /home often is. Only its move would be missed.
            if error.systemError == .accessDenied, directory.name == nil { return false }
            silence = "\(error)"
            return false
        }
    }

    /// Watches the file itself through its descriptor, since another file may have its path by now.
    private func watch(_ place: TailPlace?) -> Bool {
        guard place?.identity != file?.identity else { return false }
        if let watch = file.take()?.watch { Inotify.end(watch, on: loop) }
        guard let place else { return false }
        do throws(FileWatchError) {
            let path = "/proc/self/fd/\(place.file.number)"
            file = (place.identity, try Inotify.watch(path, for: .contents, sink: self, on: loop))
            return true
        } catch {
            silence = "\(error)"
            return false
        }
    }

    func note(_ kinds: Inotify.Kinds, name: UnsafeRawBufferPointer, of watch: Inotify.Watch) {
        if kinds.contains(.overflow) {
            // A lost event may have been the move or removal of a directory, so all watches are made anew.
            for watch in directories.values { Inotify.end(watch, on: loop) }
            directories = [:]
            isTouched = true
        } else if watch === file?.watch {
            if !kinds.isDisjoint(with: .ended) { file = nil }
            isTouched = true
        } else if let directory = directories.first(where: { $0.value === watch })?.key {
            guard name.isEmpty else {
                guard let own = directory.name, name.elementsEqual(RawText.bytes(of: own)) else { return }
                isTouched = true
                return
            }
            isTouched = true
            guard !kinds.isDisjoint(with: [.itself, .ended]) else { return }
            // The next directory at this path will be another one.
            directories[directory] = nil
            Inotify.end(watch, on: loop)
        }
    }

    func deliver() {
        guard isTouched else { return }
        isTouched = false
        onEvent?()
    }
}
#endif
