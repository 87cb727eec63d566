import Glibc
import UVKeeper

/// Ticks, timers, and other threads.
enum LoopBenchmarks {
    static let all = [
        Benchmark(name: "idle-tick", run: idleTick),
        Benchmark(name: "timers", run: timers),
        Benchmark(name: "wakeup", run: wakeup),
        Benchmark(name: "submit", run: submit),
    ]

    private static func idleTick(_ count: Int, _: [String]) throws -> Measurement {
        let loop = try Loop()
        let idle = try IdleHandle(on: loop)
        var left = count
        idle.start { idle in
            left -= 1
            if left == 0 { idle.close() }
        }
        let time = timed { loop.run() }
        try loop.close()
        return Measurement(total: time)
    }

    /// Due within a tenth of a second in an order that repeats; fired once all are due.
    private static func timers(_ count: Int, _: [String]) throws -> Measurement {
        let loop = try Loop()
        var timers: [TimerHandle] = []
        timers.reserveCapacity(count)
        var left = count
        let start = try timed {
            for number in 0..<count {
                let timer = try TimerHandle(on: loop)
                timer.start(after: .milliseconds(number % 100 + 1)) { _ in left -= 1 }
                timers.append(timer)
            }
        }
        usleep(150_000)
        let fire = timed { loop.run() }
        guard left == 0 else { fail("not all timers have fired") }
        let close = timed {
            for timer in timers { timer.close() }
            timers = []
            loop.run()
        }
        try loop.close()
        let parts = [("start", start), ("fire", fire), ("close", close)]
        return Measurement(
            total: start + fire + close, parts: parts.map { ($0.0, $0.1.nanoseconds / Double(count)) })
    }

    /// Two threads with a loop each wake one another; an operation is one way there and one back.
    private static func wakeup(_ count: Int, _: [String]) throws -> Measurement {
        let loop = try Loop()
        let thread = try LoopThread()
        let (here, there) = (loop.remote, thread.remote)
        let keep = try IdleKeeper(on: loop)
        let rally = Rally(left: count)
        @Sendable func answer(_: Loop) { here.submit(ask) }
        @Sendable func ask(_: Loop) {
            rally.left -= 1
            if rally.left == 0 { here.stop() } else { there.submit(answer) }
        }
        let time = timed {
            there.submit(answer)
            loop.run()
        }
        thread.shutdown()
        keep.close()
        loop.run()
        try loop.close()
        return Measurement(total: time)
    }

    /// One other thread submits jobs as fast as it can.
    private static func submit(_ count: Int, _: [String]) throws -> Measurement {
        let loop = try Loop()
        let producer = try LoopThread()
        let remote = loop.remote
        let keep = try IdleKeeper(on: loop)
        let rally = Rally(left: count)
        let time = timed {
            producer.submit { _ in
                for _ in 0..<count {
                    remote.submit { loop in
                        rally.left -= 1
                        if rally.left == 0 { loop.stop() }
                    }
                }
            }
            loop.run()
        }
        producer.shutdown()
        keep.close()
        loop.run()
        try loop.close()
        return Measurement(total: time)
    }

    /// Keeps a loop running that only its remote gives work: a remote alone does not.
    private struct IdleKeeper {
        private let timer: TimerHandle

        init(on loop: Loop) throws {
            timer = try TimerHandle(on: loop)
            timer.start(after: .seconds(3600)) { _ in }
        }

        func close() { timer.close() }
    }

    /// Touched by the jobs of one loop only, one after another.
    private final class Rally: @unchecked Sendable {
        var left: Int

        init(left: Int) { self.left = left }
    }
}
