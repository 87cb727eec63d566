import Libc
import UVLoop

private func processorTime() -> Double {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

private func connectBlocking(_ path: String) -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    require(descriptor >= 0, "socket")
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
    require(result == 0, "connect: \(errno)")
    return descriptor
}

/// Descriptors run out while clients wait: none is dropped, the loop does not spin, the error is told once.
func acceptWithoutDescriptors() throws {
    setDescriptorLimit(64)
    let directory = makeDirectory()
    let path = directory + "/s"
    let loop = try Loop()
    let listener = try PipeListener(bindingTo: path, on: loop)
    var errors: [UVError] = []
    var accepted: [PipeStream] = []
    try listener.listen { _, result in
        switch result {
        case .success(let stream): accepted.append(stream)
        case .failure(let error): errors.append(error)
        }
    }
    let clients = (0..<8).map { _ in connectBlocking(path) }
    let hoard = useUpDescriptors()
    let watch = TimerHandle(on: loop)
    var isOver = false
    let before = processorTime()
    let start = SystemClock.monotonicTime
    watch.start(after: .seconds(1)) { watch in
        watch.close()
        isOver = true
    }
    try run(loop) { isOver }
    let used = processorTime() - before
    let waited = (SystemClock.monotonicTime - start) / .seconds(1)
    require(used < waited / 5, "\(used) s of processor time in \(waited) s of waiting")
    require(errors == [.tooManyOpenFiles], "\(errors)")
    require(accepted.isEmpty, "accepted without a descriptor")
    for descriptor in hoard { close(descriptor) }
    try run(loop) { accepted.count == clients.count }
    require(errors.count == 1, "\(errors)")
    var byte: UInt8 = 0
    for client in clients {
        require(recv(client, &byte, 1, Int32(MSG_DONTWAIT)) == -1 && errno == EAGAIN, "a client was dropped")
    }
    // A new shortage is told again.
    let next = connectBlocking(path)
    let secondHoard = useUpDescriptors()
    try run(loop) { errors.count == 2 }
    // Closing while suspended ends the retries as well.
    listener.close()
    for descriptor in secondHoard + clients + [next] { close(descriptor) }
    try Files.unlink(path)
    try Files.removeDirectory(directory)
    try end(loop)
}

/// A loop that cannot be made leaks nothing, whichever of its descriptors is the one that is missing.
func loopWithoutDescriptors() throws {
    setDescriptorLimit(64)
    try end(Loop())
    let before = descriptorCount()
    for free in 0..<8 {
        var hoard = useUpDescriptors()
        for _ in 0..<free { close(hoard.removeLast()) }
        do {
            try end(Loop())
        } catch let error as UVError {
            require(error == .tooManyOpenFiles, "\(error)")
        }
        for descriptor in hoard { close(descriptor) }
        require(descriptorCount() == before, "leaked with \(free) free descriptors")
    }
}

func loopsLeakNothing() throws {
    try end(Loop())
    let before = descriptorCount()
    for _ in 0..<100 { try end(Loop(measuresIdleTime: true)) }
    require(descriptorCount() == before, "loops leak descriptors")
}

func raiseLimit() throws {
    setDescriptorLimit(64)
    try DescriptorLimit.raise(upTo: 32)
    require(DescriptorLimit.current.soft == 64, "lowered")
    try DescriptorLimit.raise(upTo: 100)
    require(DescriptorLimit.current.soft == 100, "\(DescriptorLimit.current)")
    try DescriptorLimit.raise()
    require(DescriptorLimit.current.soft == DescriptorLimit.current.hard, "\(DescriptorLimit.current)")
}

func closeAll() {
    require(dup2(0, 50) == 50 && dup2(0, 20) == 20, "dup2")
    Descriptors.closeAll(from: 30)
    require(fcntl(50, F_GETFD) == -1 && fcntl(20, F_GETFD) != -1, "not exactly those from 30 on")
    Descriptors.closeAll()
    require(fcntl(20, F_GETFD) == -1 && fcntl(2, F_GETFD) != -1, "not exactly those from 3 on")
}

func wideOpenUmask() throws {
    umask(0)
    let directory = makeDirectory()
    let file = try OpenFile(directory + "/f", .createNew)
    let log = try OpenFile(directory + "/g", .append)
    let loop = try Loop()
    let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
    require(try Files.status(of: directory).permissions == 0o700, "directory")
    require(try file.status().permissions == 0o600, "new file")
    require(try log.status().permissions == 0o600, "appended file")
    require(try Files.status(of: listener.path).permissions == 0o600, "socket")
    try end(loop)
    for name in ["f", "g", "s"] { try Files.unlink("\(directory)/\(name)") }
    try Files.removeDirectory(directory)
}

/// Locks the file, says so, and keeps the lock until standard input ends or the process is killed.
func holdLock(path: String, mode: String) throws {
    let file = try OpenFile(path, .readWrite)
    let isMine: Bool
    switch mode {
    case "process": isMine = try file.lockForProcess()
    case "description": isMine = try file.lockForDescription()
    default:
        var lock = flock()
        lock.l_type = Int16(F_RDLCK)
        isMine = fcntl(file.descriptor, F_SETLK, &lock) == 0
    }
    write(isMine ? "locked" : "refused")
    while getchar() != EOF {}
    file.close()
}
