import Synchronization
import TestSupport
import Testing
import UVLoop

@Suite("A remote") struct LoopRemoteTests {
    @Test("runs jobs in order on a later tick") func order() throws {
        try withLoop { loop in
            let seen = Mutex<[Int]>([])
            for number in 0..<100 { #expect(loop.remote.submit { _ in seen.withLock { $0.append(number) } }) }
            #expect(seen.withLock { $0.isEmpty })
            loop.run(.noWait)
            #expect(seen.withLock { $0 } == Array(0..<100))
        }
    }

    @Test("does not keep the loop running") func isUnreferenced() throws {
        try withLoop { loop in #expect(!loop.run()) }
    }

    @Test("runs a job submitted by a job on a later tick") func nested() throws {
        try withLoop { loop in
            let seen = Mutex<[String]>([])
            let remote = loop.remote
            remote.submit { _ in
                remote.submit { _ in seen.withLock { $0.append("inner") } }
                seen.withLock { $0.append("outer") }
            }
            try run(loop) { seen.withLock { $0.count == 2 } }
            #expect(seen.withLock { $0 } == ["outer", "inner"])
        }
    }

    @Test("coalesces a million jobs into few wake-ups and runs each once") func coalesces() throws {
        try withLoop { loop in
            let count = Mutex(0)
            for _ in 0..<1_000_000 { loop.remote.submit { _ in count.withLock { $0 += 1 } } }
            loop.run(.noWait)
            #expect(count.withLock { $0 } == 1_000_000)
        }
    }

    @Test("runs accepted jobs at the close at the latest, and refuses later ones") func close() throws {
        let loop = try Loop()
        let ran = Mutex(false)
        let remote = loop.remote
        remote.submit { _ in ran.withLock { $0 = true } }
        try loop.close()
        #expect(ran.withLock { $0 })
        #expect(!remote.submit { _ in })
        #expect(!remote.stop())
    }

    @Test("lets a job open a handle during the close, which then is refused") func handleAtClose() throws {
        let loop = try Loop()
        loop.remote.submit { loop in expectNoError { () throws(UVError) in _ = TimerHandle(on: loop) } }
        #expect(throws: LoopStillOpen.self) { try loop.close() }
        loop.closeHandles()
        loop.run()
        try loop.close()
    }

    @Test("stops a run from another thread") func stop() throws {
        try withLoop { loop in
            let idle = IdleHandle(on: loop)
            idle.start { _ in }
            let thread = try LoopThread()
            let remote = loop.remote
            thread.submit { _ in remote.stop() }
            #expect(loop.run())
            idle.close()
            thread.shutdown()
        }
    }

    @Test("survives threads that submit while the loop closes: each job runs or is refused") func racesClose() throws {
        let threads = try (0..<3).map { _ in try LoopThread() }
        for round in 0..<1000 {
            let loop = try Loop()
            let remote = loop.remote
            let counters = Counters()
            for thread in threads {
                thread.submit { _ in
                    // A handle that a job opens at the last moment is closed with the loop.
                    for _ in 0..<(round.isMultiple(of: 3) ? 20 : 0) {
                        let isAccepted = remote.submit { loop in
                            counters.ran.add(1, ordering: .relaxed)
                            expectNoError { () throws(UVError) in _ = TimerHandle(on: loop) }
                            loop.onNextTick {}
                        }
                        if isAccepted { counters.accepted.add(1, ordering: .relaxed) }
                    }
                    while remote.submit({ _ in counters.ran.add(1, ordering: .relaxed) }) {
                        counters.accepted.add(1, ordering: .relaxed)
                    }
                    counters.finished.add(1, ordering: .releasing)
                }
            }
            if round.isMultiple(of: 2) { loop.run(.noWait) }
            var isClosed = false
            while !isClosed {
                isClosed = true
                do throws(LoopStillOpen) {
                    try loop.close()
                } catch {
                    isClosed = false
                    loop.closeHandles()
                    loop.run(.noWait)
                }
            }
            while counters.finished.load(ordering: .acquiring) < threads.count {}
            #expect(counters.accepted.load(ordering: .relaxed) == counters.ran.load(ordering: .relaxed))
        }
        for thread in threads { thread.shutdown() }
    }

    private final class Counters: Sendable {
        let accepted = Atomic(0)
        let ran = Atomic(0)
        let finished = Atomic(0)
    }
}
