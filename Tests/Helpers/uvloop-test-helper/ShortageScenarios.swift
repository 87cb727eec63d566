import Libc
import UVLoop

/// The first loop of a process with so many descriptors left: it is made, or an error; and nothing leaks.
func firstLoop(free: Int) throws {
    setDescriptorLimit(64)
    let before = descriptorCount()
    var hoard = useUpDescriptors()
    for _ in 0..<free { close(hoard.removeLast()) }
    var failure: UVError?
    do throws(UVError) { try makeAndClose() } catch { failure = error }
    for descriptor in hoard { close(descriptor) }
    if free < 6 {
        require(failure == .tooManyOpenFiles, "\(String(describing: failure))")
        require(descriptorCount() == before, "leaked with \(free) free descriptors")
    } else {
        require(failure == nil, "\(String(describing: failure))")
    }
    // The failure was not for ever.
    try end(Loop())
}

private func makeAndClose() throws(UVError) {
    let loop = try Loop()
    do throws(LoopStillOpen) { try loop.close() } catch { fail("\(error)") }
}

/// The kernel has no watch left: loops, streams, listeners, polls and children say so.
func withoutWatches() throws {
    let directory = makeDirectory()
    let loop = try Loop()
    let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
    let paused = try PipeListener(bindingTo: directory + "/p", on: loop)
    var failures: [UVError] = []
    try paused.listen { _, client in
        if case .failure(let error) = client { failures.append(error) }
    }
    paused.pause()
    let (one, other) = socketPair()
    let stream = try PipeStream(takingOwnershipOf: one, on: loop)
    let poll = try PollHandle(descriptor: other, on: loop)
    // So that the loop has the watches of its own.
    loop.run(.noWait)
    let timer = TimerHandle(on: loop)
    timer.start(after: .milliseconds(1)) { _ in }
    loop.run(.once)
    // EPOLL_CTL_ADD.
    guard SystemCallFilter.refuse(SystemCallFilter.epollControl, withSecondArgument: 1, error: ENOSPC) else { return }
    func expectNoSpace(_ body: () throws -> Void) {
        do {
            try body()
            fail("no error")
        } catch let error as UVError {
            require(error == .noSpace, "\(error)")
        } catch SpawnError.resources(let error) {
            require(error == .noSpace, "\(error)")
        } catch {
            fail("\(error)")
        }
        loop.run(.noWait)
    }
    expectNoSpace { _ = try Loop() }
    expectNoSpace { try stream.readStart(onBytes: { _, _ in }, onEnd: { _, _ in }) }
    expectNoSpace { try listener.listen { _, _ in } }
    expectNoSpace { try poll.start(.readable) { _, _, _ in } }
    expectNoSpace { _ = try ChildProcess(.init(executable: "true"), on: loop) { _, _ in } }
    // A listener that accepts again tries again by itself.
    try paused.resume()
    require(failures.isEmpty, "told within the call")
    loop.run(.noWait)
    require(failures == [.noSpace], "\(failures)")
    // More than the kernel takes at once: what is left waits for a watch.
    var errors: [UVError?] = []
    stream.write([UInt8](repeating: 0, count: 4 << 20)) { errors.append($0) }
    stream.shutdown { errors.append($0) }
    loop.run(.noWait)
    loop.run(.noWait)
    require(errors.isEmpty && stream.queuedByteCount > 0, "\(errors)")
    try end(loop)
    require(errors == [.canceled, .canceled], "\(errors)")
    close(other)
    for name in ["/s", "/p"] { try Files.unlink(directory + name) }
    try Files.removeDirectory(directory)
}

/// The pool's threads cannot be made: an error each time, until they can.
func workWithoutThreads() throws {
    let soft = becomeUserWithoutProcesses() ? 5 : 1
    let loop = try Loop()
    for limit in 1...soft {
        setProcessLimit(limit)
        var isDone = false
        do throws(UVError) {
            try loop.queueWork({ 1 }) { _ in isDone = true }
            require(limit == 5, "worked with \(limit) processes")
        } catch {
            require(error == .wouldBlock && limit < 5, "\(error) with \(limit) processes")
        }
        loop.run()
        require(isDone == (limit == 5), "no result")
    }
    setProcessLimit(nil)
    var isDone = false
    try loop.queueWork({ 1 }) { _ in isDone = true }
    loop.run()
    require(isDone, "no result")
    try end(loop)
}

/// Becomes a user that has no other process; root has no limit of them.
///
/// - Returns: false for a process that is not root's, and stays what it is.
func becomeUserWithoutProcesses() -> Bool {
    guard geteuid() == 0 else { return false }
    let user = uid_t(100_000 + getpid())
    require(setgid(gid_t(user)) == 0 && setuid(user) == 0, "setuid")
    return true
}

/// Nil: as many as may be.
func setProcessLimit(_ soft: Int?) {
    var limit = rlimit()
    let resource = __rlimit_resource_t(6)  // RLIMIT_NPROC, which Swift does not import
    require(getrlimit(resource, &limit) == 0, "getrlimit")
    limit.rlim_cur = soft.map { rlim_t($0) } ?? limit.rlim_max
    require(setrlimit(resource, &limit) == 0, "setrlimit")
}

/// A queue that cannot grow fails the stream; what is being written arrives.
func writeWithoutMemory() throws {
    let loop = try Loop()
    let (one, other) = socketPair()
    let writer = try PipeStream(takingOwnershipOf: one, on: loop)
    let reader = try PipeStream(takingOwnershipOf: other, on: loop)
    let small = [UInt8](repeating: 1, count: 1 << 20)
    let huge = [UInt8](repeating: 2, count: 256 << 20)
    var events: [String] = []
    var received = 0
    writer.onWriteError = { events.append("writer \($1.name)") }
    writer.write(small) { events.append("small \($0?.name ?? "-")") }
    limitMemory(toFree: 32 << 20)
    require(!writer.makeRoom(forWriting: huge.count) && writer.writeError == nil, "there is room")
    require(writer.makeRoom(forWriting: small.count), "there is no room")
    require(!writer.write(huge) { events.append("huge \($0?.name ?? "-")") }, "taken")
    require(writer.writeError == .outOfMemory, "\(String(describing: writer.writeError))")
    writer.write(small) { events.append("late \($0?.name ?? "-")") }
    writer.shutdown { error in
        events.append("shutdown \(error?.name ?? "-")")
        writer.close()
    }
    try reader.readStart(
        onBytes: { _, bytes in received += bytes.byteCount },
        onEnd: { stream, _ in stream.close() })
    loop.run()
    require(events == ["writer ENOMEM", "small -", "huge ENOMEM", "late ENOMEM", "shutdown ENOMEM"], "\(events)")
    require(received == small.count, "\(received) bytes")
    try end(loop)
}

private func limitMemory(toFree free: Int) {
    guard let text = try? Files.read("/proc/self/statm", limit: 100),
        let pages = String(decoding: text, as: UTF8.self).split(separator: " ").first.flatMap({ Int($0) })
    else { fail("statm") }
    let size = rlim_t(pages * Int(getpagesize()) + free)
    var limit = rlimit(rlim_cur: size, rlim_max: size)
    require(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, "setrlimit")
}

/// A sandbox that has pidfds and refuses to signal through them: the child is signalled all the same.
func refusedPidfdSignal() throws {
    guard SystemCallFilter.refuse(SystemCallFilter.signalByDescriptor, error: EPERM) else { return }
    let loop = try Loop()
    var status: ProcessExit?
    let child = try ChildProcess(.init(executable: "sleep", arguments: ["1000"]), on: loop) { status = $1 }
    try child.kill(.terminate)
    loop.run()
    require(status == .signaled(.terminate), "\(String(describing: status))")
    // One that has ended, and is not collected, is not signalled by its number.
    let short = try ChildProcess(.init(executable: "true"), on: loop) { _, _ in }
    while ProcessDetails(of: short.pid)?.isZombie != true { usleep(1000) }
    var failure: UVError?
    do throws(UVError) { try short.kill() } catch { failure = error }
    require(failure == .noProcess, "\(String(describing: failure))")
    loop.run()
    try end(loop)
}

/// What was made before an error is gone after it.
func unfinishedFiles() throws {
    let directory = makeDirectory()
    let loop = try Loop()
    guard SystemCallFilter.refuse(SystemCallFilter.extendedStatus, error: EIO) else { return }
    var failures: [String] = []
    do throws(UVError) { _ = try PipeListener(bindingTo: directory + "/s", on: loop) } catch {
        failures.append(error.name)
    }
    do throws(UVError) { _ = try OpenFile(directory + "/f", .createNew) } catch { failures.append(error.name) }
    require(failures == ["EIO", "EIO"], "\(failures)")
    require(rmdir(directory) == 0, "something was left: \(errno)")
    try end(loop)
}
