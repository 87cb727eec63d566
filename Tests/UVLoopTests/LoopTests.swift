import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A loop") struct LoopTests {
    @Test("closes when nothing was ever opened") func closesUnused() throws {
        try Loop().close()
    }

    @Test("is released after its close") func isReleased() throws {
        weak var released: Loop?
        do {
            let loop = try Loop()
            released = loop
            loop.onNextTick {}
            loop.run()
            try loop.close()
        }
        #expect(released == nil)
    }

    @Test("runs callbacks for the next tick in order, and nested ones a tick later") func nextTicks() throws {
        try withLoop { loop in
            var order: [String] = []
            loop.onNextTick {
                order.append("a")
                loop.onNextTick { order.append("nested") }
            }
            loop.onNextTick { order.append("b") }
            #expect(order.isEmpty)
            loop.run(.noWait)
            #expect(order == ["a", "b"])
            loop.run(.noWait)
            #expect(order == ["a", "b", "nested"])
            #expect(!loop.isAlive)
        }
    }

    @Test("stays alive for a callback of the next tick, added from a close completion too") func nextTickFromClose()
        throws
    {
        try withLoop { loop in
            var ran = false
            TimerHandle(on: loop).close { loop.onNextTick { ran = true } }
            #expect(!loop.run())
            #expect(ran)
        }
    }

    @Test("names what is open when it refuses to close, and goes on") func refusesToClose() throws {
        let loop = try Loop()
        let timer = TimerHandle(on: loop)
        let idle = IdleHandle(on: loop)
        idle.start { _ in }
        loop.onNextTick {}
        var thrown: LoopStillOpen?
        do throws(LoopStillOpen) { try loop.close() } catch { thrown = error }
        let error = try #require(thrown)
        #expect(Set(error.handles) == ["TimerHandle", "IdleHandle (active)"])
        #expect(error.waitingCallbacks == 1)
        #expect("\(error)".contains("TimerHandle"))
        idle.close()
        timer.close()
        thrown = nil
        do throws(LoopStillOpen) { try loop.close() } catch { thrown = error }
        #expect(try #require(thrown).handles.sorted() == ["IdleHandle (closing)", "TimerHandle (closing)"])
        while loop.run() {}
        try loop.close()
    }

    @Test("counts requests under way when it refuses to close") func refusesToCloseWithRequests() throws {
        let loop = try Loop()
        var done = false
        try loop.queueWork({}) { done = true }
        #expect(throws: LoopStillOpen.self) { try loop.close() }
        loop.run()
        #expect(done)
        try loop.close()
    }

    @Test("ends its run after a stop, and the next run goes on") func stops() throws {
        try withLoop { loop in
            let idle = IdleHandle(on: loop)
            var ticks = 0
            idle.start { idle in
                ticks += 1
                if ticks == 3 { loop.stop() }
                if ticks == 5 { idle.close() }
            }
            #expect(loop.run())
            #expect(ticks == 3)
            #expect(!loop.run())
            #expect(ticks == 5)
        }
    }

    @Test("closes after a stop that no run has seen") func closesAfterStop() throws {
        let loop = try Loop()
        loop.stop()
        try loop.close()
    }

    @Test("returns at once from a run after a stop") func stopBeforeRun() throws {
        try withLoop { loop in
            let timer = TimerHandle(on: loop)
            var fired = false
            timer.start(after: .seconds(3600)) { _ in fired = true }
            loop.stop()
            #expect(loop.run())
            #expect(!fired)
            timer.close()
        }
    }

    @Test("runs inside another poller through its descriptor and timeout") func embedding() throws {
        try withLoop { loop in
            let timer = TimerHandle(on: loop)
            var fired = false
            timer.start(after: .milliseconds(20)) { timer in
                fired = true
                timer.close()
            }
            let (one, other) = try makeStreamPair(on: loop)
            var got: [UInt8] = []
            try other.collect { got = $0 }
            one.write([1, 2, 3])
            one.shutdown { _ in one.close() }
            while loop.isAlive {
                var entry = pollfd(fd: loop.backendDescriptor, events: Int16(POLLIN), revents: 0)
                let timeout = loop.backendTimeout.map { Int32($0 / .milliseconds(1)) } ?? -1
                poll(&entry, 1, timeout < 0 ? 10 : timeout)
                loop.run(.noWait)
            }
            #expect(fired)
            #expect(got == [1, 2, 3])
        }
    }

    @Test("waits without limit when only a descriptor can wake it") func timeoutIsNil() throws {
        let loop = try Loop()
        let (one, other) = socketPair()
        let stream = try PipeStream(takingOwnershipOf: one, on: loop)
        try stream.readStart(onBytes: { _, _ in }, onEnd: { _, _ in })
        loop.run(.noWait)
        #expect(loop.backendTimeout == nil)
        stream.close()
        loop.run()
        close(other)
        try loop.close()
    }

    @Test("measures idle time only when told to") func idleTime() throws {
        for measures in [false, true] {
            let loop = try Loop(measuresIdleTime: measures)
            let timer = TimerHandle(on: loop)
            // On a busy machine the timer may be due before the loop has come to wait, so it repeats.
            let deadline = SystemClock.monotonicTime + hangTimeout
            timer.start(after: .milliseconds(20), repeating: .milliseconds(20)) { timer in
                if !measures || loop.idleTime > .zero || SystemClock.monotonicTime > deadline { timer.close() }
            }
            loop.run()
            #expect((loop.idleTime > .zero) == measures)
            try loop.close()
        }
    }

    @Test("has a time that stands still until it is updated") func time() throws {
        try withLoop { loop in
            let before = loop.now
            let start = SystemClock.monotonicTime
            while SystemClock.monotonicTime < start + .milliseconds(5) {}
            #expect(loop.now == before)
            loop.updateTime()
            #expect(loop.now > before)
        }
    }

    @Test("closes all handles on request") func closeHandles() throws {
        try withLoop { loop in
            var order: [String] = []
            let timer = TimerHandle(on: loop)
            timer.close { order.append("timer") }
            _ = IdleHandle(on: loop)
            loop.closeHandles()
            #expect(loop.openHandles.allSatisfy { $0.isClosing })
            loop.run(.noWait)
            #expect(order == ["timer"])
        }
    }

    @Test("leaks no descriptor when it closes") func leaksNothing() throws {
        try expectScenario("loops-leak-nothing")
    }

    @Test("that cannot be made for want of descriptors leaks none") func withoutDescriptors() throws {
        try expectScenario("loop-without-descriptors")
    }

    @Test("that cannot be made as the first of a process, for want of descriptors, is an error")
    func firstWithoutDescriptors()
        throws
    {
        for free in 0..<8 { try expectScenario("first-loop", "\(free)") }
    }

    @Test("without watches in the kernel for what it opens says so, and aborts nothing") func withoutWatches() throws {
        try expectScenario("without-watches")
    }

    @Test("is used by the thread that runs it, then by the one that takes it over") func changesThreads() throws {
        try expectScenario("loop-changes-threads")
    }

    @Test("that is forgotten after an error ends nothing") func forgotten() throws {
        try expectScenario("forgotten-loop", leaks: true)
    }

    @Test(
        "traps with a sentence when it is misused",
        arguments: [
            ("timer-on-wrong-thread", "used on the loop's thread only"),
            ("timer-on-wrong-thread-while-idle", "used on the loop's thread only"),
            ("option-on-wrong-thread", "used on the loop's thread only"),
            ("tick-on-wrong-thread", "used on the loop's thread only"),
            ("nested-run", "Loop.run: the loop is running already"),
            ("run-after-close", "Loop.run: the loop is closed"),
            ("close-after-close", "Loop.close: the loop is closed"),
            ("tick-after-close", "the loop is closed"),
            ("idle-time-after-close", "the loop is closed"),
            ("work-after-close", "the loop is closed"),
            ("timer-after-close", "the loop is closed"),
            ("start-after-own-close", "TimerHandle.start: the timer is closed"),
            ("write-after-own-close", "PipeStream.write: the stream is closed"),
            ("write-after-shutdown", "PipeStream.write: after shutdown"),
            ("dropped-descriptor", "descriptor 0 was dropped open"),
        ])
    func misuse(_ scenario: String, _ sentence: String) throws {
        let helper = try siblingExecutable("uvloop-test-helper")
        let result = try runProgram("env", ["SWIFT_BACKTRACE=enable=no", helper, "misuse", scenario])
        guard case .signaled = result.status else {
            Issue.record("\(String(describing: result.status)): \(result.output)")
            return
        }
        #expect(result.output.contains(sentence), "\(result.output)")
    }
}
