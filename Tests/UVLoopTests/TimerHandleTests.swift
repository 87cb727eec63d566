import TestSupport
import Testing
import UVLoop

@Suite("A timer") struct TimerHandleTests {
    @Test("fires once, not before its time, and lets go of its closure") func firesOnce() throws {
        final class Token {}
        weak var released: Token?
        try withLoop { loop in
            let timer = TimerHandle(on: loop)
            let start = SystemClock.monotonicTime
            var fired = 0
            let token = Token()
            released = token
            timer.start(after: .milliseconds(30)) { _ in
                _ = token
                fired += 1
            }
            #expect(timer.isActive)
            #expect(timer.repeatInterval == nil)
            loop.run()
            #expect(fired == 1)
            // The loop's clock has milliseconds only.
            #expect(SystemClock.monotonicTime - start >= .milliseconds(28))
            #expect(!timer.isActive)
            timer.close()
        }
        #expect(released == nil)
    }

    @Test("repeats until it is stopped in its callback") func repeats() throws {
        try withLoop { loop in
            let timer = TimerHandle(on: loop)
            var fired = 0
            timer.start(after: .zero, repeating: .milliseconds(1)) { timer in
                fired += 1
                if fired == 5 { timer.stop() }
            }
            #expect(timer.repeatInterval == .milliseconds(1))
            loop.run()
            #expect(fired == 5)
            timer.close()
        }
    }

    @Test("goes on with `again` after a stop") func againAfterStop() throws {
        try withLoop { loop in
            let timer = TimerHandle(on: loop)
            var fired = 0
            timer.start(after: .seconds(3600), repeating: .milliseconds(1)) { timer in
                fired += 1
                timer.close()
            }
            timer.stop()
            #expect(!loop.run())
            #expect(fired == 0)
            try timer.again()
            loop.run()
            #expect(fired == 1)
        }
    }

    @Test("refuses `again` when it has no callback to call") func againWithoutCallback() throws {
        try withLoop { loop in
            let timer = TimerHandle(on: loop)
            #expect(throws: UVError.invalidArgument) { try timer.again() }
            var thrown: UVError?
            timer.start(after: .milliseconds(1)) { timer in
                timer.repeatInterval = .milliseconds(1)
                do throws(UVError) { try timer.again() } catch { thrown = error }
            }
            loop.run()
            #expect(thrown == .invalidArgument)
            timer.close()
        }
    }

    @Test("does nothing at `again` when it does not repeat") func againWithoutInterval() throws {
        try withLoop { loop in
            let timer = TimerHandle(on: loop)
            var fired = 0
            timer.start(after: .milliseconds(1)) { _ in fired += 1 }
            try timer.again()
            loop.run()
            #expect(fired == 1)
            try timer.again()
            #expect(!loop.run())
            timer.close()
        }
    }

    @Test("can be started again in its callback, with another one") func restarts() throws {
        try withLoop { loop in
            var order: [String] = []
            let timer = TimerHandle(on: loop)
            timer.start(after: .milliseconds(1)) { timer in
                order.append("first")
                timer.start(after: .milliseconds(1)) { timer in
                    order.append("second")
                    timer.close { order.append("closed") }
                }
            }
            loop.run()
            #expect(order == ["first", "second", "closed"])
        }
    }

    @Test("takes the callback and delay of the last start") func startedTwice() throws {
        try withLoop { loop in
            var order: [String] = []
            let timer = TimerHandle(on: loop)
            timer.start(after: .milliseconds(1)) { _ in order.append("first") }
            timer.start(after: .milliseconds(2)) { timer in
                order.append("second")
                timer.close()
            }
            loop.run()
            #expect(order == ["second"])
        }
    }

    @Test("started with no delay in its own callback lets the loop go on") func zeroDelay() throws {
        try withLoop { loop in
            let timer = TimerHandle(on: loop)
            var fired = 0
            func start() {
                timer.start(after: .zero) { _ in
                    fired += 1
                    start()
                }
            }
            start()
            let idle = IdleHandle(on: loop)
            var ticks = 0
            idle.start { idle in
                ticks += 1
                if ticks == 200 {
                    idle.close()
                    timer.close()
                }
            }
            loop.run()
            #expect(ticks == 200)
            #expect(fired <= 200)
        }
    }

    @Test("counts its delay from its start, however old the loop's time is") func staleTime() throws {
        try withLoop { loop in
            let start = SystemClock.monotonicTime
            while SystemClock.monotonicTime < start + .milliseconds(40) {}
            let timer = TimerHandle(on: loop)
            let armed = SystemClock.monotonicTime
            timer.start(after: .milliseconds(30)) { $0.close() }
            #expect(timer.dueIn == .milliseconds(30))
            loop.run()
            #expect(SystemClock.monotonicTime - armed >= .milliseconds(28))
        }
    }

    @Test("takes delays of any length") func extremes() throws {
        try withLoop { loop in
            let timer = TimerHandle(on: loop)
            for delay in [Duration.seconds(Int64.max), .seconds(-5), .seconds(1 << 60), .nanoseconds(1)] {
                timer.start(after: delay, repeating: .seconds(Int64.max)) { _ in }
                #expect(timer.isActive)
                loop.run(.noWait)
            }
            timer.close()
        }
    }

    @Test("that is not referenced lets the run return") func unreferenced() throws {
        try withLoop { loop in
            let timer = TimerHandle(on: loop)
            timer.start(after: .seconds(3600)) { _ in }
            #expect(timer.isReferenced)
            timer.unref()
            timer.unref()
            #expect(!timer.isReferenced)
            #expect(!loop.run())
            timer.ref()
            #expect(loop.isAlive)
            timer.close()
        }
    }
}
