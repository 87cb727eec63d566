import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A stream that reads") struct PipeStreamReadingTests {
    @Test("stops and goes on where it stopped") func stopsAndResumes() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var got: [UInt8] = []
            var stops = 0
            try other.readStart(
                onBytes: { stream, bytes in
                    bytes.withUnsafeBytes { got.append(contentsOf: $0) }
                    stream.readStop()
                    stops += 1
                    loop.onNextTick { expectNoError { () throws(UVError) in try stream.readResume() } }
                },
                onEnd: { stream, error in
                    #expect(error == nil)
                    stream.close()
                },
            )
            // The call does nothing while the stream reads.
            try other.readResume()
            let message = (0..<500_000).map { UInt8(truncatingIfNeeded: $0 / 251) }
            one.write(message)
            one.shutdown { _ in one.close() }
            loop.run()
            #expect(got == message)
            #expect(stops > 1)
        }
    }

    @Test("may be closed in its callback, and hears nothing more") func closesInCallback() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var calls = 0
            var isClosed = false
            try other.readStart(
                onBytes: { stream, bytes in
                    calls += 1
                    stream.close { isClosed = true }
                    // The bytes stay valid during the call.
                    #expect(bytes.withUnsafeBytes { $0.allSatisfy { $0 == 5 } })
                },
                onEnd: { _, _ in Issue.record("ended after its close") },
            )
            one.write([UInt8](repeating: 5, count: 200_000)) { _ in }
            try run(loop) { isClosed }
            one.close()
            #expect(calls == 1)
        }
    }

    @Test("tells an end from a reset, and can still write after an end") func endAndReset() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var ends: [UVError?] = []
            try other.readStart(onBytes: { _, _ in }, onEnd: { ends.append($1) })
            one.shutdown()
            try run(loop) { ends.count == 1 }
            #expect(ends == [nil])
            var wrote: [UVError?] = []
            other.write([1, 2, 3]) { wrote.append($0) }
            try run(loop) { wrote.count == 1 }
            #expect(wrote == [nil])
            one.close()
            other.close()

            let (third, fourth) = try makeStreamPair(on: loop)
            third.write([1])
            try fourth.readStart(onBytes: { _, _ in }, onEnd: { _, _ in })
            fourth.readStop()
            // The stream is closed with our byte unread.
            fourth.close()
            try third.readStart(onBytes: { _, _ in }, onEnd: { ends.append($1) })
            try run(loop) { ends.count == 2 }
            #expect(ends[1] == .connectionReset)
            third.close()
        }
    }

    @Test("is refused before the connect, and keeps no callback then") func notConnected() throws {
        final class Token {}
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
                try listener.listen { _, _ in }
                let stream = try PipeStream(connectingTo: listener.path, on: loop) { _, _ in }
                weak var released: Token?
                do {
                    let token = Token()
                    released = token
                    #expect(throws: UVError.notConnected) {
                        try stream.readStart(onBytes: { _, _ in _ = token }, onEnd: { _, _ in })
                    }
                }
                #expect(released == nil)
                stream.close()
                listener.close()
            }
        }
    }

    @Test("shares one buffer with every other stream, which may write and close meanwhile") func manyStreams() throws {
        try withLoop { loop in
            var ends = 0
            for number in 0..<20 {
                let (one, other) = try makeStreamPair(on: loop)
                try other.readStart(
                    onBytes: { stream, bytes in stream.write(bytes) },
                    onEnd: { stream, _ in stream.shutdown { _ in stream.close() } },
                )
                let message = [UInt8](repeating: UInt8(number), count: 100_000)
                one.write(message)
                one.shutdown()
                try one.collect {
                    #expect($0 == message)
                    ends += 1
                }
            }
            loop.run()
            #expect(ends == 20)
        }
    }
}
