import Libc
import TestSupport
import Testing
import UVLoop

/// A host that drives a loop by `poll(2)`, and counts its rounds.
private final class PollHost {
    let loop: Loop
    private(set) var rounds = 0
    /// The calls of the loop's hook, which say that the present wait may be too long.
    private(set) var changes = 0

    init(_ loop: Loop) {
        self.loop = loop
        loop.onBackendChange = { [unowned self] in changes += 1 }
    }

    /// Drives the loop, with waits as long as it says, but no longer than a test may hang.
    func run(until isDone: () -> Bool) throws {
        let deadline = SystemClock.monotonicTime + hangTimeout
        while !isDone() {
            try #require(SystemClock.monotonicTime < deadline, "the host has waited too long, after \(rounds) rounds")
            wait(atMost: loop.backendTimeout ?? .seconds(1))
            round()
        }
    }

    func round() {
        rounds += 1
        loop.run(.noWait)
    }

    @discardableResult
    func wait(atMost time: Duration) -> Bool {
        var entry = pollfd(fd: loop.backendDescriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, Int32(time / .milliseconds(1))) == 1
    }

    /// True if no event would wake the host, now or later.
    var isAtRest: Bool { loop.backendTimeout == nil && !wait(atMost: .zero) }
}

/// Runs `body` without the timer that ends a hanging test: the host would wait for it.
private func withHost(_ body: (PollHost, Loop) throws -> Void) throws {
    let loop = try Loop()
    let host = PollHost(loop)
    defer {
        loop.onBackendChange = nil
        loop.closeHandles()
        loop.run()
        #expect(throws: Never.self) { try loop.close() }
    }
    try body(host, loop)
}

@Suite("A loop below another poller") struct EmbeddingTests {
    @Test("wakes nobody while nothing is active") func rests() throws {
        try withHost { host, loop in
            #expect(host.isAtRest)
            let timer = TimerHandle(on: loop)
            #expect(host.isAtRest)
            timer.close()
            #expect(loop.backendTimeout == .zero)
            host.round()
            #expect(host.isAtRest)
        }
    }

    @Test("takes a job of another thread at once, and rests again") func job() throws {
        try withHost { host, loop in
            host.round()
            let thread = try LoopThread()
            let answers = Answers()
            for count in 1...3 {
                thread.submit { [remote = loop.remote] _ in remote.submit { _ in answers.add() } }
                let before = host.rounds
                try host.run { answers.count == count }
                #expect(host.rounds - before <= 3)
                #expect(host.isAtRest)
            }
            thread.shutdown()
        }
    }

    @Test("tells of the end of a child that is not waited for") func child() throws {
        try withHost { host, loop in
            var status: ProcessExit?
            let child = try ChildProcess(
                .init(executable: "/bin/sh", arguments: ["-c", "read line"], stdio: [.pipe]), on: loop
            ) { status = $1 }
            child.unref()
            host.round()
            child.streams[0]?.close()
            try host.run { status != nil }
            #expect(status == .exited(code: 1))
            child.close()
            try host.run { !loop.isAlive }
            #expect(host.rounds < 12)
            #expect(host.isAtRest)
        }
    }

    @Test("fires timers, one that does not keep a loop running too", arguments: [true, false])
    func timers(isReferenced: Bool) throws {
        try withHost { host, loop in
            let timer = TimerHandle(on: loop)
            var fired = 0
            timer.start(after: .milliseconds(20), repeating: .milliseconds(20)) { _ in fired += 1 }
            if !isReferenced { timer.unref() }
            try host.run { fired == 3 }
            // A wait may end a little early, by a rounded time.
            #expect(host.rounds <= 10)
            timer.close()
            host.round()
            #expect(host.isAtRest)
        }
    }

    @Test("tells of what its host begins between two rounds, once") func hook() throws {
        try withHost { host, loop in
            host.round()
            #expect(host.changes == 0)
            let timer = TimerHandle(on: loop)
            #expect(host.changes == 1)
            timer.start(after: .seconds(3600)) { _ in }
            loop.onNextTick {
                // Within a round the host's hook is not called: the host looks afterwards anyway.
                timer.start(after: .milliseconds(1)) { $0.close() }
            }
            #expect(host.changes == 1)
            host.round()
            #expect(host.changes == 1)
            try host.run { timer.isClosing }
            #expect(host.changes == 1)
            loop.onNextTick {}
            #expect(host.changes == 2)
            host.round()
            _ = (loop.backendTimeout, loop.now, loop.isAlive, loop.openHandles)
            #expect(host.changes == 2, "who only asks changes nothing")
            loop.onBackendChange = nil
        }
    }
}

/// A count, used on the loop's thread only; jobs must be `Sendable` all the same.
private final class Answers: @unchecked Sendable {
    private(set) var count = 0
    func add() { count += 1 }
}
