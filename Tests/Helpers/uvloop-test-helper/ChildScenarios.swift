import Libc
import UVLoop

private func configuration(
    _ executable: String, _ arguments: [String] = [], stdio: [ChildProcess.Stdio] = [], usesLibuv: Bool = false
) -> ChildProcess.Configuration {
    var configuration = ChildProcess.Configuration(executable: executable, arguments: arguments, stdio: stdio)
    configuration.usesLibuv = usesLibuv
    return configuration
}

/// Runs a child to its end and returns what it wrote to its standard output.
private func output(of configuration: ChildProcess.Configuration) throws -> String {
    var configuration = configuration
    configuration.stdio = [.ignore, .pipe, .descriptor(2)]
    let loop = try Loop()
    var bytes: [UInt8] = []
    let child = try ChildProcess(configuration, on: loop) { _, _ in }
    try child.streams[1]!.readStart(
        onBytes: { _, span in span.withUnsafeBytes { bytes.append(contentsOf: $0) } },
        onEnd: { stream, _ in stream.close() },
    )
    while loop.run() {}
    try end(loop)
    return String(decoding: bytes, as: UTF8.self)
}

/// The descriptors run out at every possible point of a spawn.
func spawnWithoutDescriptors(usesLibuv: Bool) throws {
    setDescriptorLimit(64)
    let loop = try Loop()
    // The loop's first child makes libuv open a signal pipe, the first stream a spare descriptor.
    let all: [ChildProcess.Stdio] = [.pipe, .pipe, .pipe, .pipe]
    let first = try ChildProcess(configuration("/bin/true", stdio: all, usesLibuv: usesLibuv), on: loop) { child, _ in
        for stream in child.streams { stream?.close() }
    }
    while loop.run() {}
    _ = first
    let before = descriptorCount()
    var failures = 0
    for free in 0..<16 {
        var hoard = useUpDescriptors()
        for _ in 0..<free { close(hoard.removeLast()) }
        do throws(SpawnError) {
            _ = try ChildProcess(configuration("/bin/true", stdio: all, usesLibuv: usesLibuv), on: loop) { child, _ in
                for stream in child.streams { stream?.close() }
            }
        } catch {
            require(error == .resources(.tooManyOpenFiles), "\(error) with \(free) free descriptors")
            failures += 1
        }
        for descriptor in hoard { close(descriptor) }
        while loop.run() {}
        require(loop.openHandles.isEmpty, "\(loop.openHandles) with \(free) free descriptors")
        require(descriptorCount() == before, "leaked with \(free) free descriptors")
    }
    require(failures > 4 && failures < 16, "\(failures) failures")
    try end(loop)
    require(waitpid(-1, nil, WNOHANG) == -1 && errno == ECHILD, "a child is left")
}

func spawnMany(usesLibuv: Bool) throws {
    let loop = try Loop()
    var ended = 0
    func spawn() throws {
        let all: [ChildProcess.Stdio] = [.pipe, .pipe, .pipe]
        _ = try ChildProcess(configuration("/bin/true", stdio: all, usesLibuv: usesLibuv), on: loop) { child, status in
            require(status == .exited(code: 0), "\(status)")
            for stream in child.streams { stream?.close() }
            ended += 1
        }
    }
    try spawn()
    while loop.run() {}
    let before = descriptorCount()
    for _ in 0..<20 {
        for _ in 0..<10 { try spawn() }
        while loop.run() {}
    }
    require(ended == 201, "\(ended)")
    require(descriptorCount() == before, "spawns leak descriptors")
    require(waitpid(-1, nil, WNOHANG) == -1 && errno == ECHILD, "zombies are left")
    try end(loop)
}

func failedSpawnsLeakNothing(usesLibuv: Bool) throws {
    let loop = try Loop()
    func spawn() throws {
        let missing = configuration("/nonexistent", stdio: [.pipe, .pipe, .pipe, .pipe], usesLibuv: usesLibuv)
        var failure: SpawnError?
        do throws(SpawnError) { _ = try ChildProcess(missing, on: loop) { _, _ in } } catch { failure = error }
        require(failure == .executableNotFound("/nonexistent"), "spawned")
        while loop.run() {}
    }
    try spawn()
    let before = descriptorCount()
    for _ in 0..<50 { try spawn() }
    require(descriptorCount() == before, "failed spawns leak descriptors")
    require(loop.openHandles.isEmpty, "failed spawns leak handles")
    try end(loop)
    require(waitpid(-1, nil, WNOHANG) == -1 && errno == ECHILD, "zombies are left")
}

func noStrayDescriptors() throws {
    require(dup2(0, 77) == 77, "dup2")
    let names = try output(of: configuration("/bin/sh", ["-c", "echo /proc/self/fd/*"]))
    require(!names.contains("/77"), names)
    let leaked = try output(of: configuration("/bin/sh", ["-c", "echo /proc/self/fd/*"], usesLibuv: true))
    require(leaked.contains("/77"), "the scenario proves nothing: \(leaked)")
}

func defaultSignals(usesLibuv: Bool) throws {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGHUP, SIG_IGN)
    signal(SIGUSR1, SIG_IGN)
    var set = sigset_t()
    sigemptyset(&set)
    for number in [SIGPIPE, SIGTERM, SIGUSR2] { sigaddset(&set, number) }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    let status = try output(of: configuration("/bin/cat", ["/proc/self/status"], usesLibuv: usesLibuv))
    for name in ["SigBlk:\t", "SigIgn:\t"] {
        let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
        let set = UInt64(line?.dropFirst(name.count) ?? "", radix: 16)
        // libuv leaves alone 32 and 33, the C library's own, which whoever started this may have had it ignore.
        let mask: UInt64 = usesLibuv ? ~0x1_8000_0000 : .max
        require((set ?? .max) & mask == 0, String(line ?? "no \(name)"))
    }
}

/// A host that collects every child, on another thread, all the time.
func hostWaitsForAll() throws {
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { _ in
            while true {
                if waitpid(-1, nil, 0) == -1 { usleep(100) }
            }
        }, nil)
    let loop = try Loop()
    var ended = 0
    for _ in 0..<50 {
        _ = try ChildProcess(configuration("/bin/true"), on: loop) { _, _ in ended += 1 }
    }
    while loop.run() {}
    require(ended == 50, "\(ended)")
    try end(loop)
}

func hostIgnoresChildSignal() throws {
    signal(SIGCHLD, SIG_IGN)
    // libuv's first loop opens two descriptors for the whole process.
    try end(Loop())
    let before = descriptorCount()
    let loop = try Loop()
    var statuses: [ProcessExit] = []
    for _ in 0..<50 {
        _ = try ChildProcess(configuration("/bin/true"), on: loop) { _, status in statuses.append(status) }
        // Every other one is collected by the time the next starts.
        if statuses.count % 2 == 0 { usleep(2000) }
    }
    let long = try ChildProcess(configuration("/bin/sleep", ["1000"]), on: loop) { _, status in
        statuses.append(status)
    }
    try long.kill()
    while loop.run() {}
    require(statuses == [ProcessExit](repeating: .unknown, count: 51), "\(statuses)")
    try end(loop)
    require(descriptorCount() == before, "leaked")
}

/// The child is gone before anybody could watch it, and its pid may be somebody else's.
func killAfterCollected() throws {
    signal(SIGCHLD, SIG_IGN)
    let loop = try Loop()
    let child = try ChildProcess(configuration("/bin/true"), on: loop) { _, _ in }
    let deadline = SystemClock.monotonicTime + .seconds(60)
    while Processes.liveness(of: child.pid) == .alive, SystemClock.monotonicTime < deadline { usleep(1000) }
    var failure: UVError?
    do throws(UVError) { try child.kill() } catch { failure = error }
    require(failure == .noProcess, "signalled a child that is gone")
    while loop.run() {}
    require(child.exitStatus == .unknown, "\(String(describing: child.exitStatus))")
    try end(loop)
}

/// Starts a detached child, prints its pid, and ends without waiting for it.
func detach(executable: String) throws {
    let loop = try Loop()
    var configuration = configuration(executable, ["sleep"])
    configuration.flags = .detached
    let child = try ChildProcess(configuration, on: loop) { _, _ in }
    child.unref()
    loop.run()
    try end(loop)
    write("\(child.pid)")
}

func sleepForever() {
    while true { pause() }
}

func currentEnvironment() {
    unsetenv("UVK_TEST")
    require(ProcessEnvironment.current["UVK_TEST"] == nil, "set")
    setenv("UVK_TEST", "a=b", 1)
    require(ProcessEnvironment.current["UVK_TEST"] == "a=b", "not set")
    clearenv()
    require(ProcessEnvironment.current.entries.isEmpty, "not empty")
}
