import TestSupport
import Testing
import UVLoop

@Suite("A driver of a loop") struct LoopDriverTests {
    /// Another loop as the host.
    private static func host(_ loop: Loop, watches: Bool) -> UVLoop.LoopDriver.Host {
        UVLoop.LoopDriver.Host(
            execute: { [remote = loop.remote] body in remote.submit { _ in body() } },
            schedule: { delay, body in
                let timer = loop.after(delay, body)
                return { timer.close() }
            },
            watch: watches
                ? { (descriptor, body) throws(UVError) in try watch(descriptor, on: loop, body) } : nil)
    }

    private static func watch(
        _ descriptor: Int32, on loop: Loop, _ body: @escaping () -> Void,
    ) throws(UVError) -> () -> Void {
        let watch = try PollHandle(descriptor: descriptor, on: loop)
        try watch.start(.readable) { _, _, _ in body() }
        return { watch.close() }
    }

    /// Calls `body` with a driven loop and its host; `body` runs the host.
    private func withDriver(
        watches: Bool, _ body: (_ host: Loop, _ driven: Loop, _ driver: UVLoop.LoopDriver) throws -> Void,
    ) throws {
        try withLoop { host in
            let driven = try Loop()
            let driver = UVLoop.LoopDriver(driven, on: LoopDriverTests.host(host, watches: watches))
            try driver.start()
            try body(host, driven, driver)
            driver.stop()
            driver.stop()
            driven.closeHandles()
            driven.run()
            try driven.close()
        }
    }

    @Test("runs timers, also those that are started outside of a round", arguments: [true, false])
    func timers(_ watches: Bool) throws {
        try withDriver(watches: watches) { host, driven, _ in
            var fired = 0
            // Begun between two rounds, then from within one.
            driven.after(.milliseconds(5)) {
                fired += 1
                driven.after(.milliseconds(5)) { fired += 1 }
            }
            try run(host) { fired == 2 }
        }
    }

    @Test("handles what comes from outside, in few rounds, and none while nothing does", arguments: [true, false])
    func streams(_ watches: Bool) throws {
        try withDriver(watches: watches) { host, driven, driver in
            let (near, far) = socketPair()
            let echo = try PipeStream(takingOwnershipOf: far, on: driven)
            try echo.readStart(onBytes: { echo, bytes in echo.write(bytes) }, onEnd: { echo, _ in echo.close() })
            let client = try PipeStream(takingOwnershipOf: near, on: host)
            var answers = 0
            try client.readStart(
                onBytes: { client, _ in
                    answers += 1
                    if answers < 100 { client.write("x") }
                }, onEnd: { _, _ in })
            client.write("x")
            try run(host) { answers == 100 }
            let rounds = driver.rounds
            #expect(rounds <= 100 * 4 + 20)
            var isOver = false
            host.after(.milliseconds(50)) { isOver = true }
            try run(host) { isOver }
            #expect(driver.rounds <= rounds + 2)
            client.close()
            try run(host) { echo.isClosing }
        }
    }

    @Test("runs jobs of other threads", arguments: [true, false]) func jobs(_ watches: Bool) throws {
        try withDriver(watches: watches) { host, driven, _ in
            let other = try LoopThread()
            var hasRun = false
            let told = TimerHandle(on: driven)
            told.start(after: .seconds(1000)) { _ in }
            other.submit { [remote = driven.remote] _ in
                remote.submit { $0.openHandles.first { $0 is TimerHandle }?.close() }
            }
            try run(host) {
                hasRun = told.isClosing
                return hasRun
            }
            other.shutdown()
        }
    }

    @Test("a stop within a round is the last one") func stopped() throws {
        try withDriver(watches: true) { host, driven, driver in
            var fired = 0
            driven.after(.milliseconds(1)) {
                fired += 1
                driver.stop()
                driven.after(.zero) { fired += 1 }
            }
            try run(host) { fired == 1 }
            var isOver = false
            host.after(.milliseconds(20)) { isOver = true }
            try run(host) { isOver }
            #expect(fired == 1)
        }
    }
}
