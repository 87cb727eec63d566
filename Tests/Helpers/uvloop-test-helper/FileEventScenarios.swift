import Libc
import UVLoop

/// Each limit that a watch can meet is named; nothing is left of the attempt.
func fileWatchLimits(_ kind: String) throws {
    let directory = makeDirectory()
    let loop = try Loop()
    let watcher = FileWatcher(on: loop)
    // So that the loop has the watches of its own.
    loop.run(.noWait)
    let timer = TimerHandle(on: loop)
    timer.start(after: .milliseconds(1)) { _ in }
    loop.run(.once)
    let before = descriptorCount()
    var hoard: [Int32] = []
    let words: String
    switch kind {
    case "watches":
        guard SystemCallFilter.refuse(SystemCallFilter.addFileWatch, error: ENOSPC) else { return }
        words = "ENOSPC: this user's limit fs.inotify.max_user_watches is reached, which is "
    case "queues":
        guard SystemCallFilter.refuse(SystemCallFilter.openEventQueue, error: EMFILE) else { return }
        words = "EMFILE: this user's limit fs.inotify.max_user_instances is reached, which is "
    case "polls":
        let call = SystemCallFilter.epollControl
        guard SystemCallFilter.refuse(call, withSecondArgument: 1, error: ENOSPC) else { return }
        words = "ENOSPC: this user's limit fs.epoll.max_user_watches is reached"
    default:
        setDescriptorLimit(64)
        hoard = useUpDescriptors()
        words = "cannot watch files now: EMFILE"
    }
    do throws(FileWatchError) {
        try watcher.start(directory) { _, _ in }
        fail("it is watched")
    } catch {
        require("\(error)".contains(words), "\(error)")
        require(error.systemError == .noSpace || error.systemError == .tooManyOpenFiles, "\(error)")
    }
    for descriptor in hoard { close(descriptor) }
    loop.run(.noWait)
    require(!watcher.isActive && descriptorCount() == before, "something is left")
    try end(loop)
    try Files.removeDirectory(directory)
}

/// Watchers come and go: the queue is there while one of them is.
func fileWatchersLeakNothing() throws {
    let directory = makeDirectory()
    let loop = try Loop()
    let before = descriptorCount()
    for round in 0..<200 {
        let watchers = [FileWatcher(on: loop), FileWatcher(on: loop)]
        for watcher in watchers { try watcher.start(directory) { _, _ in } }
        require(descriptorCount() == before + 1, "\(descriptorCount() - before) descriptors for two watchers")
        if round % 2 == 0 { watchers[0].stop() }
        for watcher in watchers { watcher.close() }
        if round % 3 == 0 { loop.run() }
    }
    loop.run()
    require(descriptorCount() == before, "leaked")
    let tail = FileTail(directory + "/f", on: loop)
    try tail.start(onBytes: { _, _ in })
    try FileWatcher(on: loop).start(directory) { _, _ in }
    try end(loop)
    require(descriptorCount() < before, "leaked")
    try Files.removeDirectory(directory)
}

/// A tail that may not watch says why, and follows by looking.
func tailWithoutWatches(_ kind: String) throws {
    let directory = makeDirectory()
    let path = directory + "/f"
    let file = try OpenFile(path, .append)
    let loop = try Loop()
    let isWatch = kind == "watches"
    let call = isWatch ? SystemCallFilter.addFileWatch : SystemCallFilter.openEventQueue
    guard SystemCallFilter.refuse(call, error: isWatch ? ENOSPC : EMFILE) else { return }
    try follow(path, on: loop, because: isWatch ? "max_user_watches" : "max_user_instances") { try file.write($0) }
    try end(loop)
    try Files.unlink(path)
    try Files.removeDirectory(directory)
}

/// A directory that may be searched and not read cannot be watched: the tail looks. One that may not be searched is an
/// error, which names it.
func tailAsNobody(directory: String) throws {
    guard geteuid() == 0 else { return }
    for name in ["unlisted", "closed"] { try Files.makeDirectory(at: "\(directory)/\(name)") }
    let path = directory + "/unlisted/f"
    let file = try OpenFile(path, .append)
    require(chmod(path, 0o644) == 0 && chmod(directory, 0o755) == 0, "chmod")
    require(chmod(directory + "/unlisted", 0o711) == 0, "chmod")
    require(setgid(65534) == 0 && setuid(65534) == 0, "cannot become nobody")
    let loop = try Loop()
    try follow(path, on: loop, because: "\(directory)/unlisted belongs to root and has mode 711") { try file.write($0) }
    let tail = FileTail(directory + "/closed/f", on: loop)
    do throws(FileTailError) {
        try tail.start(onBytes: { _, _ in })
        fail("it is followed")
    } catch {
        require(error.systemError == .accessDenied, "\(error)")
        require("\(error)".contains("\(directory)/closed belongs to root and has mode 700"), "\(error)")
    }
    try end(loop)
}

private func follow(
    _ path: String, on loop: Loop, because reason: String, _ write: ([UInt8]) throws -> Void
) throws {
    let tail = FileTail(path, fallbackInterval: .milliseconds(1), on: loop)
    var bytes: [UInt8] = []
    var reasons: [String] = []
    try tail.start(
        onBytes: { _, span in span.withUnsafeBytes { bytes += $0 } },
        onEvent: { _, event in if case .polling(let reason) = event { reasons.append(reason) } },
    )
    try run(loop) { !reasons.isEmpty }
    require(reasons.count == 1 && reasons[0].contains(reason), "\(reasons)")
    require(tail.pollingReason == reasons[0], "\(tail.pollingReason ?? "none")")
    for round in 1...3 {
        try write([1])
        try run(loop) { bytes.count == round }
    }
    tail.close()
    loop.run()
}
