import Libc
import TestSupport
import Testing

@testable import UVLoop

@Suite("The health of a loop") struct LoopHealthTests {
    @Test("is not measured unless asked for") func off() throws {
        try withLoop { loop in
            #expect(loop.health == nil)
            loop.observe()
            #expect(loop.health?.iterations == 0)
            loop.stopObserving()
            #expect(loop.health == nil)
        }
    }

    @Test("tells a long callback from a long wait") func busyAndWaiting() throws {
        try withLoop { loop in
            loop.observe(every: .milliseconds(5))
            let timer = TimerHandle(on: loop)
            timer.start(after: .milliseconds(60)) { timer in
                usleep(300_000)
                timer.start(after: .milliseconds(60)) { $0.close() }
            }
            loop.run()
            let health = try #require(loop.health)
            #expect(health.longestTick >= .milliseconds(300))
            #expect(health.busyTime >= health.longestTick)
            #expect(health.waitingTime >= .milliseconds(50))
            #expect(health.lag.longest >= .milliseconds(290))
            #expect(health.lag.count >= 2)
            #expect(health.lag.median <= health.lag.percentile99 && health.lag.percentile99 <= health.lag.longest)
            #expect(health.iterations >= 4)
            loop.observe()
            #expect(loop.health?.longestTick == .zero, "it begins anew")
        }
    }

    @Test("keeps a loop neither running nor open") func keepsNothing() throws {
        let loop = try Loop()
        loop.observe()
        #expect(loop.openHandles.isEmpty)
        #expect(!loop.run())
        loop.closeHandles()
        loop.run()
        #expect(loop.health != nil)
        loop.observe()
        loop.stopObserving()
        #expect(loop.openHandles.isEmpty)
        try loop.close()
    }

    @Test("counts times by steps of a sixteenth") func histogram() {
        var before = -1
        for time in [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 1000, 65_535, 1 << 20, 1 << 34, 1 << 40] as [UInt64] {
            let index = LagHistogram.index(time)
            #expect((before...511).contains(index), "\(time)")
            before = index
            guard index < 511 else { continue }
            let largest = UInt64(LagHistogram.largest(index))
            #expect(largest >= time && largest - time <= time / 16, "\(time): \(largest)")
            #expect(LagHistogram.index(largest) == index && LagHistogram.index(largest + 1) == index + 1)
        }
        var histogram = LagHistogram()
        #expect(histogram.summary.median == .zero)
        for milliseconds in 1...100 { histogram.record(.milliseconds(milliseconds)) }
        let summary = histogram.summary
        #expect(summary.count == 100 && summary.latest == .milliseconds(100) && summary.longest == .milliseconds(100))
        #expect((Duration.milliseconds(50)...(.milliseconds(54))).contains(summary.median))
        #expect((Duration.milliseconds(99)...(.milliseconds(100))).contains(summary.percentile99))
    }
}

@Suite("A watchdog") struct LoopWatchdogTests {
    @Test("tells while a callback blocks the loop, once each time") func tells() throws {
        try withLoop { loop in
            let told = Told()
            let watchdog = try LoopWatchdog(loop, blockedFor: .milliseconds(50)) { told.add($0.blockedFor) }
            let timer = TimerHandle(on: loop)
            var rounds = 0
            timer.start(after: .milliseconds(1), repeating: .milliseconds(1)) { timer in
                rounds += 1
                guard rounds == 3 || rounds == 6 else {
                    if rounds > 6 { timer.close() }
                    return
                }
                // The loop is blocked until the watchdog reports.
                let count = told.all.count
                let deadline = SystemClock.monotonicTime + hangTimeout
                while told.all.count == count, SystemClock.monotonicTime < deadline { usleep(1000) }
                #expect(told.all.count > count)
            }
            loop.run()
            watchdog.stop()
            watchdog.stop()
            #expect(told.all.allSatisfy { $0 >= .milliseconds(50) })
        }
    }

    @Test("does not keep a loop running, and may outlive it") func outlives() throws {
        let loop = try Loop()
        let watchdog = try LoopWatchdog(loop, blockedFor: .seconds(3600)) { _ in }
        #expect(!loop.run())
        try loop.close()
        watchdog.stop()
    }

    @Test("does not take a closed loop for a blocked one") func closed() throws {
        let loop = try Loop()
        let told = Told()
        let watchdog = try LoopWatchdog(loop, blockedFor: .milliseconds(4)) { told.add($0.blockedFor) }
        try loop.close()
        let before = told.all.count
        // A watchdog looks every millisecond.
        let other = try Loop()
        other.after(.milliseconds(100)) {}
        other.run()
        try other.close()
        watchdog.stop()
        #expect(told.all.count == before)
    }

    private final class Told: Sendable {
        private let times = Lock<[Duration]>([])
        func add(_ time: Duration) { times.withLock { $0.append(time) } }
        var all: [Duration] { times.withLock { $0 } }
    }
}
