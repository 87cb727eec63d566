import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A stream that writes") struct PipeStreamWritingTests {
    @Test("completes every write once, in order, however slow the reader") func slowReader() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            let piece = (0..<65_536).map { UInt8(truncatingIfNeeded: $0 / 7) }
            var completed: [Int] = []
            var drains = 0
            one.onDrain = { _ in drains += 1 }
            var isBelow = true
            for number in 0..<128 {
                isBelow = one.write(piece) { error in
                    #expect(error == nil)
                    completed.append(number)
                }
            }
            #expect(!isBelow)
            #expect(completed.isEmpty)
            #expect(one.queuedByteCount > one.highWaterMark)
            #expect(Int(one.acceptedByteCount) + one.queuedByteCount == 128 * piece.count)
            var count = 0
            var sum = 0
            try other.readStart(
                onBytes: { stream, bytes in
                    count += bytes.byteCount
                    bytes.withUnsafeBytes { for byte in $0 { sum += Int(byte) } }
                    stream.readStop()
                    loop.onNextTick { expectNoError { () throws(UVError) in try stream.readResume() } }
                },
                onEnd: { stream, _ in stream.close() },
            )
            one.shutdown { error in
                #expect(error == nil)
                #expect(completed.count == 128)
                one.close()
            }
            loop.run()
            #expect(completed == Array(0..<128))
            #expect(count == 8 << 20)
            #expect(sum == 128 * piece.reduce(0) { $0 + Int($1) })
            #expect(drains == 1)
            #expect(one.acceptedByteCount == 8 << 20)
        }
    }

    @Test("keeps the order of completions when some bytes are taken at once and others late") func mixedOrder() throws {
        try withLoop { loop in
            let (ours, theirs) = socketPair()
            let stream = try PipeStream(takingOwnershipOf: ours, on: loop)
            for _ in 0..<50 {
                var order: [String] = []
                stream.write([1]) { _ in order.append("small") }
                stream.write([UInt8](repeating: 2, count: 1 << 20)) { _ in order.append("large") }
                stream.write([]) { _ in order.append("empty") }
                // The peer reads all bytes, so that libuv's write is done before the next tick's callbacks.
                try run(loop) {
                    var bytes = [UInt8](repeating: 0, count: 1 << 20)
                    while recv(theirs, &bytes, bytes.count, Int32(MSG_DONTWAIT)) > 0 {}
                    return order.count == 3
                }
                #expect(order == ["small", "large", "empty"])
            }
            stream.close()
            close(theirs)
        }
    }

    @Test("completes a write before the shutdown and before the close") func completesBeforeTheEnd() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var order: [String] = []
            loop.onNextTick {
                one.write([1]) { error in order.append("write \(error?.name ?? "ok")") }
                one.shutdown { error in order.append("shutdown \(error?.name ?? "ok")") }
            }
            try run(loop) { order.count == 2 }
            // The kernel has taken the byte, so it counts as written although the stream closes in the same tick.
            loop.onNextTick {
                other.write([1]) { error in order.append("write \(error?.name ?? "ok")") }
                other.close { order.append("close") }
            }
            try run(loop) { order.count == 4 }
            #expect(order == ["write ok", "shutdown ok", "write ok", "close"])
            one.close()
        }
    }

    @Test("cancels what is queued when it closes: the writes in order, the shutdown, then the close") func cancels()
        throws
    {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var order: [String] = []
            for number in 0..<5 {
                one.write([UInt8](repeating: 0, count: 1 << 20)) { order.append("\(number) \($0?.name ?? "ok")") }
            }
            one.shutdown { order.append("shutdown \($0?.name ?? "ok")") }
            loop.run(.noWait)
            let taken = one.acceptedByteCount
            one.close { order.append("close") }
            #expect(order.isEmpty)
            try run(loop) { order.contains("close") }
            #expect(order == (0..<5).map { "\($0) ECANCELED" } + ["shutdown ECANCELED", "close"])
            #expect(one.acceptedByteCount == taken)
            #expect(one.queuedByteCount == 0)
            other.close()
        }
    }

    @Test(
        "counts the bytes that the kernel took exactly, also after a close in the middle of a write",
        arguments: [false, true])
    func acceptedBytes(isWriteUnderWay: Bool) throws {
        try withLoop { loop in
            let (ours, theirs) = socketPair()
            let stream = try PipeStream(takingOwnershipOf: ours, on: loop)
            stream.write([UInt8](repeating: 0, count: 3 << 20))
            for _ in 0..<5 { loop.run(.noWait) }
            var bytes = [UInt8](repeating: 0, count: 1 << 16)
            var received = 0
            let first = stream.acceptedByteCount
            if isWriteUnderWay {
                // libuv is writing now, and has written a part.
                try run(loop) {
                    received += max(0, recv(theirs, &bytes, bytes.count, Int32(MSG_DONTWAIT)))
                    return stream.acceptedByteCount > first
                }
            }
            let counted = Int(stream.acceptedByteCount)
            #expect(counted > 0 && counted < 3 << 20)
            stream.close()
            #expect(Int(stream.acceptedByteCount) == counted)
            loop.run(.noWait)
            #expect(Int(stream.acceptedByteCount) == counted)
            while true {
                let count = read(theirs, &bytes, bytes.count)
                if count <= 0 { break }
                received += count
            }
            #expect(received == counted)
            close(theirs)
        }
    }

    @Test("goes on with what a completion writes, a tick at a time") func writesFromCompletion() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var got: [UInt8] = []
            try other.collect { got = $0 }
            var written = 0
            var isNested = false
            func next() {
                #expect(!isNested)
                isNested = true
                defer { isNested = false }
                written += 1
                one.write([UInt8(written)]) { _ in
                    if written < 100 { next() } else { one.shutdown { _ in one.close() } }
                }
            }
            next()
            loop.run()
            #expect(got == (1...100).map { UInt8($0) })
        }
    }

    @Test("lets the loop tick while completions write for ever") func endlessCompletions() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            try other.readStart(onBytes: { _, _ in }, onEnd: { stream, _ in stream.close() })
            func next() { one.write([1]) { error in if error == nil, !one.isClosing { next() } } }
            next()
            let timer = TimerHandle(on: loop)
            timer.start(after: .milliseconds(20)) { timer in
                timer.close()
                one.close()
            }
            loop.run()
        }
    }
}
