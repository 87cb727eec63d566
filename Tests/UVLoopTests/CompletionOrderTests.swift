import TestSupport
import Testing
import UVLoop

/// Every completion comes exactly once, and not within the call that asked for it, whatever closes first, in whatever
/// order, in callbacks and between them.
///
/// Each seed is one life of a loop: operations of every kind, at random, with handles or all of the loop closed
/// somewhere among them. The order of events depends on the system, so a seed alone does not repeat a failure.
/// `UVKEEPER_SEEDS` makes a long run: it is the number of seeds for each group, instead of twelve.
@Suite("Completions") struct CompletionOrderTests {
    private static let seedsPerGroup = UInt64(ProcessEnvironment.current["UVKEEPER_SEEDS"] ?? "") ?? 12

    @Test("come once each, whatever closes first", arguments: 0..<8)
    func ownLoop(group: UInt64) throws {
        var names: [String: Int] = [:]
        weak var last: LoopDriver?
        for seed in group * Self.seedsPerGroup..<(group + 1) * Self.seedsPerGroup {
            try withTemporaryDirectory { directory in
                let loop = try Loop()
                let driver = try LoopDriver(seed: seed, in: directory, on: loop)
                last = driver
                for _ in 0..<80 {
                    driver.act()
                    guard driver.chance(40) else { continue }
                    // The timer gives the loop something to wait for, since there may be nothing else.
                    let tick = TimerHandle(on: loop)
                    tick.start(after: .milliseconds(1), repeating: .milliseconds(1)) { _ in }
                    loop.run(driver.chance(50) ? .once : .noWait)
                    tick.close()
                }
                driver.isEnding = true
                if driver.chance(30) { loop.run(.noWait) }
                loop.closeHandles()
                // All operations end by themselves from here on.
                let watchdog = loop.after(hangTimeout) {
                    Issue.record("seed \(seed): still open: \(loop.openHandles)")
                    loop.closeHandles()
                }
                watchdog.unref()
                while loop.run() {}
                watchdog.close()
                loop.run()
                try loop.close()
                driver.end()
                for operation in driver.operations { names[operation.name, default: 0] += operation.isRefused ? 0 : 1 }
            }
            #expect(last == nil, "seed \(seed): something keeps a closure that will not be called")
        }
        #expect(names.values.reduce(0, +) > 500 && names.count > 30)
    }

    @Test("have all come when a loop's thread has shut down", arguments: 0..<4)
    func ownThread(group: UInt64) throws {
        for seed in group * Self.seedsPerGroup..<(group + 1) * Self.seedsPerGroup {
            try withTemporaryDirectory { directory in
                let thread = try LoopThread()
                let slot = Slot()
                thread.submit { loop in
                    expectNoError { slot.driver = try LoopDriver(seed: seed + 1_000_000, in: directory, on: loop) }
                }
                for number in 0..<60 {
                    thread.submit { _ in slot.driver?.act() }
                    // The extra job makes some jobs share a tick, and others not.
                    if (seed &* 31 &+ UInt64(number)) % 3 == 0 { thread.submit { _ in } }
                }
                thread.shutdown()
                try #require(slot.driver).end()
            }
        }
    }

    /// A driver, used on the loop's thread, and after the thread has been joined.
    private final class Slot: @unchecked Sendable { var driver: LoopDriver? }
}
