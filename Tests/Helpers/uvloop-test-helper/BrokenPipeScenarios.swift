import Libc
import UVLoop

private func isBrokenPipePending() -> Bool {
    var pending = sigset_t()
    sigpending(&pending)
    return sigismember(&pending, SIGPIPE) == 1
}

private func requireUnharmed() {
    require(!isBrokenPipePending(), "SIGPIPE is left pending")
    var mask = sigset_t()
    pthread_sigmask(SIG_BLOCK, nil, &mask)
    require(sigismember(&mask, SIGPIPE) == 0, "SIGPIPE is left blocked")
}

private func streamWithoutReader(on loop: Loop) throws -> PipeStream {
    let (ours, theirs) = socketPair()
    close(theirs)
    return try PipeStream(takingOwnershipOf: ours, on: loop)
}

/// SIGPIPE has its default disposition in all of these: one delivered signal ends the process.
func brokenPipeInRun() throws {
    signal(SIGPIPE, SIG_DFL)
    let loop = try Loop()
    let stream = try streamWithoutReader(on: loop)
    var errors: [UVError?] = []
    loop.onNextTick {
        stream.write([1, 2, 3]) { error in
            errors.append(error)
            stream.close()
        }
    }
    while loop.run() {}
    require(errors == [.brokenPipe], "\(errors)")
    requireUnharmed()
    try end(loop)
}

func brokenPipeOutsideRun() throws {
    signal(SIGPIPE, SIG_DFL)
    let loop = try Loop()
    let stream = try streamWithoutReader(on: loop)
    var errors: [UVError?] = []
    stream.write([1, 2, 3]) { errors.append($0) }
    requireUnharmed()
    require(errors.isEmpty, "completed inside the call")
    stream.close()
    while loop.run() {}
    require(errors == [.brokenPipe], "\(errors)")
    try end(loop)
}

/// A stream whose kernel buffer is full and whose reader goes away: libuv's own write, in the poll, hits the broken pipe.
private func streamThatBreaks(on loop: Loop) throws -> (PipeStream, reader: Int32) {
    let (ours, theirs) = socketPair()
    let stream = try PipeStream(takingOwnershipOf: ours, on: loop)
    return (stream, theirs)
}

func brokenPipeAtStop() throws {
    signal(SIGPIPE, SIG_DFL)
    let loop = try Loop()
    let (stream, reader) = try streamThatBreaks(on: loop)
    var errors: [UVError?] = []
    stream.write([UInt8](repeating: 0, count: 4 << 20)) { errors.append($0) }
    close(reader)
    // Every run stops after its first tick: the one with the broken pipe does not deliver the error.
    var runs = 0
    while errors.isEmpty {
        loop.stop()
        loop.run()
        loop.run(.noWait)
        requireUnharmed()
        runs += 1
        require(runs < 100_000, "the write never failed")
    }
    require(errors == [.brokenPipe] || errors == [.connectionReset], "\(errors)")
    try end(loop)
    requireUnharmed()
}

func brokenPipeAtClose() throws {
    signal(SIGPIPE, SIG_DFL)
    let loop = try Loop()
    let (stream, reader) = try streamThatBreaks(on: loop)
    var errors: [UVError?] = []
    stream.write([UInt8](repeating: 0, count: 4 << 20)) { errors.append($0) }
    close(reader)
    // A check callback runs after the poll that wrote, and before libuv reports what came of it.
    let check = CheckHandle(on: loop)
    check.start { check in
        stream.close()
        check.close()
    }
    let idle = IdleHandle(on: loop)
    idle.start { idle in idle.close() }
    while loop.run() {}
    require(errors.count == 1 && errors[0] != nil, "\(errors)")
    requireUnharmed()
    try end(loop)
}

/// A host that has blocked SIGPIPE itself finds it neither pending nor unblocked.
func brokenPipeOfBlockingHost() throws {
    signal(SIGPIPE, SIG_DFL)
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &set, nil)
    let loop = try Loop()
    let stream = try streamWithoutReader(on: loop)
    loop.onNextTick { stream.write([1]) { _ in stream.close() } }
    while loop.run() {}
    require(!isBrokenPipePending(), "SIGPIPE is left pending")
    var mask = sigset_t()
    pthread_sigmask(SIG_BLOCK, nil, &mask)
    require(sigismember(&mask, SIGPIPE) == 1, "SIGPIPE was unblocked")
    // One that was pending before stays.
    pthread_kill(pthread_self(), SIGPIPE)
    loop.run(.noWait)
    require(isBrokenPipePending(), "the host's own signal was taken")
    try end(loop)
}
