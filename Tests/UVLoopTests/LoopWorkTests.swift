import Synchronization
import TestSupport
import Testing
import UVLoop

@Suite("Work on the thread pool") struct LoopWorkTests {
    @Test("hands its result to the loop on a later tick") func result() throws {
        try withLoop { loop in
            var results: [Int] = []
            for number in 0..<20 { try loop.queueWork({ number * 2 }) { results.append($0) } }
            #expect(results.isEmpty)
            loop.run()
            #expect(results.sorted() == (0..<20).map { $0 * 2 })
        }
    }

    @Test("may queue more work from its completion, and submit to the loop") func nested() throws {
        try withLoop { loop in
            let submitted = Mutex(false)
            var done = false
            let remote = loop.remote
            try loop.queueWork({ remote.submit { _ in submitted.withLock { $0 = true } } }) { accepted in
                #expect(accepted)
                expectNoError { () throws(UVError) in try loop.queueWork({ 1 }) { _ in done = true } }
            }
            loop.run()
            #expect(done)
            #expect(submitted.withLock { $0 })
        }
    }

    @Test("releases what it captured") func releases() throws {
        final class Token: Sendable {}
        weak var released: Token?
        try withLoop { loop in
            let token = Token()
            released = token
            try loop.queueWork({ _ = token }) { _ = token }
        }
        #expect(released == nil)
    }

    @Test("that cannot have its threads is an error, and comes later when it can") func withoutThreads() throws {
        try expectScenario("work-without-threads")
    }
}
