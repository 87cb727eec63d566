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
        let idle = IdleHandle(on: loop)
        let countdown = Countdown(count)
        idle.start { idle in
            countdown.left -= 1
            if countdown.left == 0 { idle.close() }
        }
        let time = timed { loop.run() }
        try loop.close()
        return Measurement(total: time)
    }

    /// Timers due within a tenth of a second in an order that repeats, fired once all are due.
    private static func timers(_ count: Int, _: [String]) throws -> Measurement {
        let loop = try Loop()
        var timers: [TimerHandle] = []
        timers.reserveCapacity(count)
        let countdown = Countdown(count)
        let start = timed {
            for number in 0..<count {
                let timer = TimerHandle(on: loop)
                timer.start(after: .milliseconds(number % 100 + 1)) { _ in countdown.left -= 1 }
                timers.append(timer)
            }
        }
        usleep(150_000)
        let fire = timed { loop.run() }
        guard countdown.left == 0 else { fail("not all timers have fired") }
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

    /// Two threads, each with a loop, wake one another; an operation is one way there and one back.
    private static func wakeup(_ count: Int, _: [String]) throws -> Measurement {
        let loop = try Loop()
        let thread = try LoopThread()
        let keep = try IdleKeeper(on: loop)
        let rally = Rally(here: loop.remote, there: thread.remote, left: count)
        let time = timed {
            rally.ask()
            loop.run()
        }
        thread.shutdown()
        keep.close()
        loop.run()
        try loop.close()
        return Measurement(total: time)
    }

    /// Another thread submits jobs as fast as it can.
    private static func submit(_ count: Int, _: [String]) throws -> Measurement {
        let loop = try Loop()
        let producer = try LoopThread()
        let remote = loop.remote
        let keep = try IdleKeeper(on: loop)
        let countdown = Countdown(count)
        let time = timed {
            producer.submit { _ in
                for _ in 0..<count {
                    remote.submit { loop in
                        countdown.left -= 1
                        if countdown.left == 0 { loop.stop() }
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

    /// Keeps a loop running that only its remote gives work, since a remote does not.
    private struct IdleKeeper {
        private let timer: TimerHandle

        init(on loop: Loop) throws {
            timer = TimerHandle(on: loop)
            timer.start(after: .seconds(3600)) { _ in }
        }

        func close() { timer.close() }
    }

    private final class Rally: Sendable {
        private let here: LoopRemote
        private let there: LoopRemote
        private let countdown: Countdown

        init(here: LoopRemote, there: LoopRemote, left: Int) {
            (self.here, self.there, countdown) = (here, there, Countdown(left))
        }

        func ask() {
            there.submit { _ in self.answer() }
        }

        private func answer() {
            here.submit { loop in
                self.countdown.left -= 1
                if self.countdown.left == 0 { loop.stop() } else { self.ask() }
            }
        }
    }
}
