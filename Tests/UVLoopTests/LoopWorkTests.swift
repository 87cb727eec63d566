import Dispatch
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

    @Test("that has ended keeps nothing, although somebody keeps its request") func keepsNothing() throws {
        final class Token: Sendable {}
        try withLoop { loop in
            weak var released: Token?
            var request: WorkRequest?
            do {
                let token = Token()
                released = token
                request = try loop.queueWork({ _ = token }) { _ = token }
                request?.onCanceled = { _ = token }
            }
            loop.run()
            #expect(released == nil)
            #expect(request?.cancel() == false)
        }
    }

    @Test("that has not begun can be canceled, once, and is told so in place of its completion") func canceled() throws
    {
        try withLoop { loop in
            let gate = DispatchSemaphore(value: 0)
            var told: [String] = []
            // The work fills the pool's threads, so that the next one waits.
            let threads = Int(ProcessEnvironment.current["UV_THREADPOOL_SIZE"] ?? "") ?? 4
            var begun: [WorkRequest] = []
            for _ in 0..<threads { begun.append(try loop.queueWork({ gate.wait() }) { told.append("done") }) }
            let request = try loop.queueWork({ Issue.record("it was canceled") }) { told.append("completed") }
            request.onCanceled = { told.append("canceled") }
            #expect(request.cancel())
            #expect(!request.cancel(), "once")
            #expect(told.isEmpty, "on a later tick")
            try run(loop) { !told.isEmpty }
            #expect(told == ["canceled"])
            for _ in 0..<threads { gate.signal() }
            loop.run()
            #expect(told == ["canceled"] + Array(repeating: "done", count: threads))
            for request in begun { #expect(!request.cancel(), "it has ended") }
        }
    }

    @Test("that cannot have its threads is an error, and comes later when it can") func withoutThreads() throws {
        try expectScenario("work-without-threads")
    }
}
