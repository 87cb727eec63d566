import Glibc
import UVKeeper

/// Streams within one loop.
enum PipeBenchmarks {
    static let all = [
        Benchmark(name: "pipe-roundtrip", run: roundtrip),
        Benchmark(name: "pipe-bulk", run: bulk),
        Benchmark(name: "small-writes", run: { try smallWrites($0, $1) }),
        Benchmark(name: "small-writes-capturing", run: smallWritesCapturing),
        Benchmark(name: "connect-cycle", run: connectCycle),
    ]

    private static let message = [UInt8](repeating: 0x78, count: 64)

    /// Returns two connected unix sockets.
    private static func pair(on loop: Loop) throws -> (PipeStream, PipeStream) {
        var descriptors: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &descriptors) == 0 else { fail("socketpair") }
        return (
            try PipeStream(takingOwnershipOf: descriptors[0], on: loop),
            try PipeStream(takingOwnershipOf: descriptors[1], on: loop)
        )
    }

    private static func roundtrip(_ count: Int, _: [String]) throws -> Measurement {
        let loop = try Loop()
        let (near, far) = try pair(on: loop)
        var left = count
        try far.readStart(onBytes: { stream, bytes in stream.write(bytes) }, onEnd: { stream, _ in stream.close() })
        try near.readStart(
            onBytes: { stream, bytes in
                left -= 1
                if left > 0 { stream.write(bytes) } else { stream.close() }
            },
            onEnd: { _, _ in },
        )
        near.write(message)
        let time = timed { loop.run() }
        try loop.close()
        return Measurement(total: time)
    }

    /// An operation is 64 KiB written, carried and read.
    private static func bulk(_ count: Int, _: [String]) throws -> Measurement {
        let loop = try Loop()
        let (near, far) = try pair(on: loop)
        let chunk = [UInt8](repeating: 0x78, count: 65536)
        var left = count
        var received = 0
        func write(to stream: Stream) {
            while left > 0 {
                left -= 1
                guard stream.write(chunk) else { return }
            }
            if left == 0, stream.queuedByteCount == 0 { stream.close() }
        }
        near.highWaterMark = 1
        near.onDrain = write
        try far.readStart(onBytes: { _, bytes in received += bytes.byteCount }, onEnd: { stream, _ in stream.close() })
        let time = timed {
            write(to: near)
            loop.run()
        }
        guard received == count * chunk.count else { fail("bytes are missing") }
        try loop.close()
        return Measurement(total: time)
    }

    /// The state that the completions of small writes share.
    private final class Writes {
        let stream: PipeStream
        let countdown: Countdown

        init(_ count: Int, to stream: PipeStream) { (self.stream, countdown) = (stream, Countdown(count)) }

        func ended() {
            countdown.left -= 1
            if countdown.left == 0 { stream.close() }
        }
    }

    /// Queues all writes before the loop runs, with a completion each: a function and one object, like the function and
    /// the pointer of C.
    private static func smallWrites(_ count: Int, _: [String]) throws -> Measurement {
        try smallWrites(count) { stream in
            let writes = Writes(count, to: stream)
            for _ in 0..<count {
                stream.write(message) { _ in writes.ended() }
            }
        }
    }

    /// Uses completions that capture a variable and the stream, as they are usually written: Swift allocates memory for
    /// each, and checks each access to the variable.
    private static func smallWritesCapturing(_ count: Int, _: [String]) throws -> Measurement {
        try smallWrites(count) { stream in
            var left = count
            for _ in 0..<count {
                stream.write(message) { _ in
                    left -= 1
                    if left == 0 { stream.close() }
                }
            }
        }
    }

    /// - Parameter write: writes all messages, and closes the stream once the last has completed.
    private static func smallWrites(_ count: Int, _ write: (PipeStream) -> Void) throws -> Measurement {
        let loop = try Loop()
        let (near, far) = try pair(on: loop)
        var received = 0
        let expected = count * message.count
        try far.readStart(
            onBytes: { stream, bytes in
                received += bytes.byteCount
                if received == expected { stream.close() }
            },
            onEnd: { _, _ in },
        )
        let time = timed {
            write(near)
            loop.run()
        }
        guard near.isClosing, received == expected else { fail("writes or completions are missing") }
        try loop.close()
        return Measurement(total: time)
    }

    /// A client connects to a listener of the same loop, writes a line, shuts down, and waits for the clean close.
    private static func connectCycle(_ count: Int, _: [String]) throws -> Measurement {
        let loop = try Loop()
        let path = "/tmp/uvbench-swift-\(getpid()).sock"
        try Files.unlinkIfPresent(path)
        let listener = try PipeListener(bindingTo: path, on: loop)
        try listener.listen { _, connection in
            do {
                try connection.get().readStart(onBytes: { _, _ in }, onEnd: { stream, _ in stream.close() })
            } catch {
                fail("\(error)")
            }
        }
        var left = count
        func next() {
            do {
                _ = try PipeStream(connectingTo: path, on: loop) { stream, error in
                    if let error { fail("\(error)") }
                    do { try stream.readStart(onBytes: { _, _ in }, onEnd: ended) } catch { fail("\(error)") }
                    stream.write(message)
                    stream.shutdown()
                }
            } catch {
                fail("\(error)")
            }
        }
        func ended(_ stream: Stream, _: UVError?) {
            stream.close()
            left -= 1
            if left > 0 { next() } else { listener.close() }
        }
        next()
        let time = timed { loop.run() }
        try Files.unlink(path)
        try loop.close()
        return Measurement(total: time)
    }
}
