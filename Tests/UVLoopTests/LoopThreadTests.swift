import Libc
import Synchronization
import TestSupport
import Testing
import UVLoop

@Suite("A loop on a thread of its own") struct LoopThreadTests {
    @Test("runs jobs there, in order, and has run all of them when it is shut down") func runsJobs() throws {
        let thread = try LoopThread(name: "a name longer than fifteen bytes")
        let seen = Mutex<[Int]>([])
        for number in 0..<1000 { #expect(thread.submit { _ in seen.withLock { $0.append(number) } }) }
        thread.shutdown()
        #expect(seen.withLock { $0 } == Array(0..<1000))
        #expect(!thread.submit { _ in })
        thread.shutdown()
    }

    @Test("closes busy handles at shutdown and calls their completions") func busyHandles() throws {
        let thread = try LoopThread()
        let counter = Counter()
        thread.submit { loop in
            expectNoError { () throws(UVError) in
                let timer = TimerHandle(on: loop)
                timer.start(after: .milliseconds(1), repeating: .milliseconds(1)) { _ in }
                let idle = IdleHandle(on: loop)
                idle.start { _ in }
                idle.unref()
                // The completion opens a timer, and that one another, busy for ever.
                timer.close {
                    counter.value.add(1, ordering: .relaxed)
                    expectNoError { () throws(UVError) in
                        let next = TimerHandle(on: loop)
                        next.start(after: .seconds(1), repeating: .seconds(1)) { _ in }
                    }
                }
            }
        }
        thread.shutdown()
        #expect(counter.value.load(ordering: .relaxed) == 1)
    }

    @Test("ends although a completion of the shutdown opens a handle that never ends") func reopened() throws {
        let thread = try LoopThread()
        let counter = Counter()
        thread.submit { loop in
            expectNoError { () throws(UVError) in
                let (ours, theirs) = socketPair()
                close(theirs)
                let stream = try PipeStream(takingOwnershipOf: ours, on: loop)
                stream.write([1]) { _ in }
                try loop.queueWork({ usleep(20_000) }) {
                    expectNoError { () throws(UVError) in
                        let timer = TimerHandle(on: loop)
                        timer.start(after: .milliseconds(1), repeating: .milliseconds(1)) { _ in }
                        counter.value.add(1, ordering: .relaxed)
                    }
                }
            }
        }
        thread.shutdown()
        #expect(counter.value.load(ordering: .relaxed) == 1)
    }

    @Test("ends although jobs that others submit open handles without end") func endless() throws {
        let thread = try LoopThread()
        @Sendable func open(on loop: Loop) {
            TimerHandle(on: loop).start(after: .seconds(1000)) { _ in }
            _ = thread.submit { open(on: $0) }
        }
        thread.submit { open(on: $0) }
        thread.shutdown()
        #expect(!thread.submit { _ in })
    }

    @Test("goes on after a stop") func stopDoesNotEndIt() throws {
        let thread = try LoopThread()
        let counter = Counter()
        thread.remote.stop()
        thread.submit { loop in
            loop.stop()
            expectNoError { () throws(UVError) in
                let timer = TimerHandle(on: loop)
                timer.start(after: .milliseconds(20)) { _ in counter.value.add(1, ordering: .releasing) }
            }
        }
        let deadline = SystemClock.monotonicTime + hangTimeout
        while counter.value.load(ordering: .acquiring) == 0, SystemClock.monotonicTime < deadline { usleep(1000) }
        #expect(counter.value.load(ordering: .acquiring) == 1)
        #expect(thread.submit { _ in })
        thread.shutdown()
    }

    @Test("carries a whole conversation between two loops") func conversation() throws {
        try withTemporaryDirectory { directory in
            let server = try LoopThread()
            let path = directory + "/s"
            let ready = Counter()
            server.submit { loop in
                expectNoError { () throws(UVError) in
                    let listener = try PipeListener(bindingTo: path, on: loop)
                    try listener.listen { _, result in
                        guard case .success(let stream) = result else { return }
                        expectNoError { () throws(UVError) in
                            try stream.readStart(
                                onBytes: { stream, bytes in stream.write(bytes) },
                                onEnd: { stream, _ in stream.shutdown { _ in stream.close() } },
                            )
                        }
                    }
                    ready.value.add(1, ordering: .releasing)
                }
            }
            while ready.value.load(ordering: .acquiring) == 0 { sched_yield() }
            var echoed: [UInt8] = []
            let message = [UInt8](repeating: 7, count: 300_000)
            try withLoop { loop in
                _ = try PipeStream(connectingTo: path, on: loop) { stream, error in
                    #expect(error == nil)
                    stream.write(message)
                    stream.shutdown()
                    expectNoError { try stream.collect { echoed = $0 } }
                }
            }
            #expect(echoed == message)
            server.shutdown()
        }
    }

    private final class Counter: Sendable {
        let value = Atomic(0)
    }
}
