import Libc
import UVLoop

/// Does what must end the process, with a sentence.
func misuse(_ name: String) throws {
    let loop = try Loop()
    let timer = TimerHandle(on: loop)
    switch name {
    case "timer-on-wrong-thread":
        timer.start(after: .seconds(1000)) { _ in }
        loop.onNextTick { onOtherThread { timer.start(after: .zero) { _ in } } }
        loop.run()
    case "timer-on-wrong-thread-while-idle": onOtherThread { timer.start(after: .zero) { _ in } }
    case "tick-on-wrong-thread": onOtherThread { loop.onNextTick {} }
    case "nested-run":
        loop.onNextTick { loop.run() }
        loop.run()
    case "start-after-own-close":
        timer.close()
        timer.start(after: .zero) { _ in }
    case "write-after-own-close", "write-after-shutdown":
        let (one, _) = socketPair()
        let stream = try PipeStream(takingOwnershipOf: one, on: loop)
        if name == "write-after-shutdown" { stream.shutdown() } else { stream.close() }
        stream.write([1])
    case "option-on-wrong-thread":
        let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
        try listener.listen { _, _ in }
        let stream = try TCPStream(connectingTo: listener.localAddress, on: loop) { _, _ in loop.stop() }
        loop.run()
        onOtherThread { do throws(UVError) { try stream.setNoDelay(true) } catch { write("\(error)") } }
    case "dropped-descriptor": _ = OwnedDescriptor(0).number
    default: try misuseAfterClose(name, loop)
    }
    write("\(name) was not noticed")
}

private func misuseAfterClose(_ name: String, _ loop: Loop) throws {
    try end(loop)
    switch name {
    case "run-after-close": loop.run()
    case "close-after-close": try loop.close()
    case "tick-after-close": loop.onNextTick {}
    case "idle-time-after-close": _ = loop.idleTime
    case "work-after-close": try loop.queueWork({}) {}
    case "timer-after-close": _ = TimerHandle(on: loop)
    default: fail("unknown misuse: \(name)")
    }
}

/// A loop goes from the thread that made it to the one that runs it, and on to one that takes it over.
func loopChangesThreads() throws {
    let loop = try Loop()
    let timer = TimerHandle(on: loop)
    var fired = 0
    timer.start(after: .milliseconds(1)) { _ in fired += 1 }
    onOtherThread {
        loop.run()
        timer.start(after: .milliseconds(1)) { _ in fired += 1 }
    }
    loop.takeOver()
    timer.start(after: .milliseconds(1)) { _ in fired += 1 }
    loop.run()
    require(fired == 2, "fired \(fired) times")
    onOtherThread { timer.loop.run() }
    // Who closes it owns it.
    loop.takeOver()
    timer.close()
    onOtherThread { loop.run() }
    try loop.close()
}

/// Its descriptors leak, and the error is what the program sees.
func forgottenLoop() throws {
    func start() throws {
        let loop = try Loop()
        require(!loop.isClosed, "closed")
        throw UVError.noEntry
    }
    do {
        try start()
        fail("no error")
    } catch let error as UVError {
        require(error == .noEntry, "\(error)")
    }
}

/// Runs `body` on a thread of its own and waits for it.
private func onOtherThread(_ body: @escaping () -> Void) {
    final class Box {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let status = pthread_create(
        &thread, nil,
        { argument in
            Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
    require(status == 0, "pthread_create")
    pthread_join(thread, nil)
}
