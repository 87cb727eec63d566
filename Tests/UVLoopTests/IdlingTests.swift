import TestSupport
import Testing
import UVLoop

@Suite("An idle stream") struct IdlingTests {
    @Test("is told once it has been idle, and again, but not while bytes come or go") func idle() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var idle = 0
            try one.readStart(onBytes: { _, _ in }, onEnd: { _, _ in })
            let began = SystemClock.monotonicTime
            var lastWrite = began
            // The times are long enough for a busy computer that lets the process wait now and then.
            one.onIdle(after: .milliseconds(600)) { _ in
                idle += 1
                // The loop's clock counts whole milliseconds.
                #expect(SystemClock.monotonicTime - lastWrite >= .milliseconds(598))
            }
            // Bytes come all the time, for longer than the idle time.
            let timer = TimerHandle(on: loop)
            var rounds = 0
            timer.start(after: .milliseconds(10), repeating: .milliseconds(10)) { timer in
                rounds += 1
                lastWrite = SystemClock.monotonicTime
                other.write([1])
                if rounds == 100 { timer.close() }
            }
            try run(loop) { idle >= 2 && rounds == 100 }
            #expect(SystemClock.monotonicTime - began >= .milliseconds(1200))
            one.onIdle(after: nil)
            one.close()
            other.close()
        }
    }

    @Test("is not one that writes to a reader who takes its time") func slowReader() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var isWritten = false
            one.write([UInt8](repeating: 1, count: 8_000_000)) { _ in isWritten = true }
            var lastRead = loop.now
            one.onIdle(after: .milliseconds(600)) { _ in
                // The time is the loop's own: a computer that stands still is not the reader's fault.
                #expect(loop.now - lastRead >= .milliseconds(300))
            }
            try other.readStart(onBytes: { _, _ in other.readStop() }, onEnd: { _, _ in })
            let timer = TimerHandle(on: loop)
            timer.start(after: .milliseconds(20), repeating: .milliseconds(20)) { _ in
                lastRead = loop.now
                expectNoError { () throws(UVError) in try other.readResume() }
            }
            try run(loop) { isWritten }
            for handle in [one, other, timer] as [Handle] { handle.close() }
        }
    }

    @Test("is not one that a file is sent by") func sendsFile() throws {
        try withTemporaryDirectory { directory in
            try Posix.write([UInt8](repeating: 1, count: 10_000), to: "\(directory)/f")
            try withLoop { loop in
                let (one, other) = try makeStreamPair(on: loop)
                try other.readStart(onBytes: { _, _ in }, onEnd: { _, _ in })
                let began = loop.now
                var (lastSent, isDone) = (began, false)
                one.onIdle(after: .milliseconds(600)) { _ in
                    #expect(loop.now - lastSent >= .milliseconds(300))
                }
                func send() {
                    expectNoError { () throws(UVError) in
                        try one.sendFile("\(directory)/f") { result in
                            #expect(result == .success(10_000))
                            lastSent = loop.now
                            if lastSent - began < .milliseconds(1500) { send() } else { isDone = true }
                        }
                    }
                }
                send()
                try run(loop) { isDone }
                one.close()
                other.close()
            }
        }
    }

    @Test("closes by itself, and keeps no loop running") func closes() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            one.onIdle(after: .milliseconds(1))
            try run(loop) { one.isClosing }
            other.onIdle(after: .seconds(3600)) { _ in Issue.record("nobody waited so long") }
            loop.run()
            other.close()
        }
    }
}
