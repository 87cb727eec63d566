import Libc
import TestSupport
import Testing
import UVLoop

@Suite("Stream: ending") struct StreamEndingTests {
    @Test("a shutdown of a pipe's write end closes it, and its reader sees the end") func pipe() throws {
        try withLoop { loop in
            let (reading, writing) = pipePair()
            let reader = try PipeStream(takingOwnershipOf: reading, on: loop)
            let writer = try PipeStream(takingOwnershipOf: writing, on: loop)
            var got: [UInt8] = []
            var told: [String] = []
            try reader.collect { got = $0 }
            let message = [UInt8](repeating: 7, count: 300_000)
            writer.write(message) { told.append("written \($0 == nil)") }
            writer.shutdown { told.append("finished \($0 == nil)") }
            loop.run()
            #expect(got == message)
            #expect(told == ["written true", "finished true"])
            #expect(writer.isClosing)
            // A second shutdown, and a close, are no mistakes.
            writer.shutdown { told.append("again \($0 == nil)") }
            writer.close()
            loop.run()
            #expect(told.last == "again true")
        }
    }

    @Test("bytes that wait when a socket is closed can be left to the kernel, for a peer that reads later")
    func leavesRest() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            // Small writes fill the buffer of a socket long before their bytes would.
            var sent: [UInt8] = []
            while one.queuedByteCount == 0 {
                sent.append(UInt8(truncatingIfNeeded: sent.count))
                one.write([sent.last!])
            }
            // Those are libuv's, the next ones the stream's own.
            let last = [UInt8](repeating: 7, count: 1000)
            one.write(last)
            one.closeSendingQueued()
            var got: [UInt8] = []
            try other.collect { got = $0 }
            loop.run()
            #expect(got == sent + last)
        }
    }

    @Test("a shutdown of a pipe that nobody reads fails as the write did") func brokenPipe() throws {
        try withLoop { loop in
            let (reading, writing) = pipePair()
            close(reading)
            let writer = try PipeStream(takingOwnershipOf: writing, on: loop)
            var errors: [UVError?] = []
            writer.write([1]) { errors.append($0) }
            writer.shutdown {
                errors.append($0)
                writer.close()
            }
            loop.run()
            #expect(errors == [.brokenPipe, .brokenPipe])
        }
    }

    @Test("a terminal has nothing to finish, and stays open") func terminal() throws {
        try withLoop { loop in
            let pair = try #require(PseudoTerminal())
            defer { close(pair.controller) }
            let stream = try PipeStream(takingOwnershipOf: pair.terminal, on: loop)
            var told: [UVError?] = []
            stream.write("x") { told.append($0) }
            stream.shutdown {
                told.append($0)
                #expect(!stream.isClosing)
                stream.close()
            }
            loop.run()
            #expect(told == [nil, nil])
        }
    }

    @Test("finish waits for both sides, and what still comes is given to the reader", arguments: [false, true])
    func finishes(isPaused: Bool) throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var got = ""
            var told: [UVError?] = []
            try one.readStart(
                onBytes: { _, bytes in bytes.withUnsafeBytes { got += String(decoding: $0, as: UTF8.self) } },
                onEnd: { _, _ in })
            if isPaused { one.readStop() }
            try other.readStart(
                onBytes: { _, _ in },
                onEnd: { stream, _ in
                    stream.write("good")
                    stream.write("bye")
                    stream.shutdown { _ in stream.close() }
                })
            one.write("hello")
            one.finish(deadline: hangTimeout) { told.append($0) }
            // A second call waits for the same end.
            one.finish(deadline: .zero) { told.append($0) }
            loop.run()
            #expect(got == "goodbye")
            #expect(told == [nil, nil])
            #expect(one.isClosing)
        }
    }

    @Test("finish of a stream that still connects waits for both sides too") func finishesEarly() throws {
        try withLoop { loop in
            let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            let answer = [UInt8](repeating: 3, count: 2_000_000)
            var ends: [UVError?] = []
            try listener.listen { listener, client in
                listener.close()
                expectNoError {
                    try client.get().readStart(
                        onBytes: { _, _ in },
                        onEnd: { stream, error in
                            ends.append(error)
                            stream.write(answer) { ends.append($0) }
                            stream.shutdown { _ in stream.close() }
                        })
                }
            }
            let client = try TCPStream(connectingTo: listener.localAddress, on: loop) { _, error in ends.append(error) }
            client.write("question")
            client.finish(deadline: hangTimeout) { ends.append($0) }
            loop.run()
            #expect(ends == [nil, nil, nil, nil])
        }
    }

    @Test("a reader that answers can tell that its stream is ending, and must not then", arguments: [true, false])
    func answers(finishes: Bool) throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var count = 0
            try one.readStart(
                onBytes: { stream, bytes in
                    count += 1
                    if !stream.isShutDown { stream.write(bytes) }
                },
                onEnd: { stream, _ in stream.shutdown { _ in stream.close() } })
            var got: [UInt8] = []
            try other.readStart(
                onBytes: { _, bytes in bytes.withUnsafeBytes { got += $0 } },
                onEnd: { stream, _ in
                    stream.write([2])
                    stream.shutdown { _ in stream.close() }
                })
            other.write([1])
            try run(loop) { got == [1] }
            #expect(!one.isShutDown)
            if finishes { one.finish(deadline: hangTimeout) } else { one.shutdown() }
            #expect(one.isShutDown)
            loop.run()
            #expect(got == [1] && count == 2)
        }
    }

    @Test("finish drops what nobody reads, so that the peer sees no reset") func drops() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var ends: [UVError?] = []
            other.write([UInt8](repeating: 1, count: 1_000_000)) { ends.append($0) }
            try other.readStart(
                onBytes: { _, _ in },
                onEnd: { stream, error in
                    ends.append(error)
                    stream.shutdown { _ in stream.close() }
                })
            var told: [UVError?] = []
            one.finish(deadline: hangTimeout) { told.append($0) }
            loop.run()
            // The end comes while most bytes are still to be written.
            #expect(ends == [nil, nil])
            #expect(told == [nil])
        }
    }

    @Test(
        "finish closes at its deadline, whether the peer takes nothing or only does not end", arguments: [0, 4_000_000])
    func deadline(byteCount: Int) throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var told: [String] = []
            one.write([UInt8](repeating: 1, count: byteCount)) { told.append("write \($0?.name ?? "ok")") }
            one.finish(deadline: .milliseconds(20)) {
                told.append("finish \($0?.name ?? "ok")")
                other.close()
            }
            loop.run()
            #expect(told == [byteCount == 0 ? "write ok" : "write ECANCELED", "finish ETIMEDOUT"])
        }
    }

    @Test("finish is told of a close by others, and of the stream's own error", arguments: ["close", "loop", "peer"])
    func interrupted(by how: String) throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var told: [UVError?] = []
            other.write([1])
            // No byte is left unread at `one`, so only bytes left unread at `other` make a reset.
            one.write([UInt8](repeating: 1, count: 4_000_000))
            one.finish(deadline: hangTimeout) { told.append($0) }
            one.finish(deadline: hangTimeout) { told.append($0) }
            switch how {
            case "close":
                one.close()
                other.close()
            case "loop": loop.closeHandles()
            default: other.close()
            }
            loop.run()
            #expect(told.count == 2)
            let expected: Set<UVError?> = how == "peer" ? [.connectionReset, .brokenPipe] : [.canceled]
            #expect(Set(told).isSubset(of: expected), "\(told)")
            // Using a stream after one's own close is a mistake.
            if how == "close" { return }
            one.finish(deadline: .zero) { told.append($0) }
            loop.run()
            #expect(told.last == .canceled)
        }
    }

    @Test("a text and several parts go out in order", arguments: [0, 1, 3, 64, 65, 200]) func parts(count: Int) throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            let parts = (0..<count).map { [UInt8](repeating: UInt8($0), count: $0 * 37 % 5000) }
            var completions = 0
            var got: [UInt8] = []
            one.write("größe")
            one.write(parts: parts) { if $0 == nil { completions += 1 } }
            one.shutdown { _ in one.close() }
            try other.collect { got = $0 }
            loop.run()
            #expect(got == Array("größe".utf8) + parts.flatMap { $0 })
            #expect(completions == 1)
        }
    }

    @Test("reading goes on after a write has failed") func readsAfterFailure() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var got: [UInt8] = []
            other.write([1, 2, 3])
            other.readStop()
            try run(loop) { other.queuedByteCount == 0 }
            // The bytes that `one` writes are not read from now on.
            try #require(Libc.shutdown(other.descriptor!, CInt(SHUT_RD)) == 0)
            var error: UVError?
            one.write([0]) { error = $0 }
            try run(loop) { one.writeError != nil }
            try one.collect { got = $0 }
            other.close()
            loop.run()
            #expect(error == .brokenPipe && got == [1, 2, 3])
        }
    }
}
