import Libc
import TestSupport
import Testing

@testable import UVLoop

@Suite("Passing on") struct PipingTests {
    /// The bytes, made once: each test is an instance of its own.
    private static let content = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 131 ^ $0 >> 7) }
    private var content: [UInt8] { Self.content }

    @Test("takes everything to a slow reader, and no more into memory than its mark") func slowReader() throws {
        try withLoop { loop in
            let (writer, source) = try makeStreamPair(on: loop)
            let (sink, reader) = try makeStreamPair(on: loop)
            var ends: [PipingError?] = []
            try source.pipe(to: sink) { ends.append($0) }
            writer.write(content)
            writer.shutdown()
            var got: [UInt8] = []
            var isEnded = false
            var most = 0
            try reader.readStart(
                onBytes: { reader, bytes in
                    bytes.withUnsafeBytes { got += $0 }
                    most = max(most, sink.queuedByteCount)
                    reader.readStop()
                    loop.onNextTick { try? reader.readResume() }
                },
                onEnd: { _, error in isEnded = error == nil })
            try run(loop) { isEnded && !ends.isEmpty }
            #expect(got == content)
            #expect(ends == [nil])
            #expect(most <= sink.highWaterMark + 65536)
            for stream in [writer, source, sink, reader] { stream.close() }
        }
    }

    enum End: CaseIterable, Sendable {
        case sinkBreaks, sourceClosed, sinkClosed, loopCloses, sourceFails
    }

    @Test("ends once, whoever fails or closes", arguments: End.allCases, [false, true])
    func endsOnce(how: End, isFull: Bool) throws {
        // A source that waits for room is not read, so its failure shows only later.
        if isFull, how == .sourceFails { return }
        try withLoop { loop in
            let (writer, source) = try makeStreamPair(on: loop)
            let (sink, reader) = try makeStreamPair(on: loop)
            var ends: [PipingError?] = []
            try source.pipe(to: sink) { ends.append($0) }
            writer.write(isFull ? content : [1, 2, 3])
            try run(loop) { isFull ? sink.queuedByteCount >= sink.highWaterMark : sink.acceptedByteCount == 3 }
            switch how {
            case .sinkBreaks:
                reader.close()
                writer.write([4])
            case .sourceClosed: source.close()
            case .sinkClosed: sink.close()
            case .loopCloses: loop.closeHandles()
            case .sourceFails:
                // The writer is closed with bytes unread, which is a reset.
                source.write([9])
                loop.run(.noWait)
                writer.close()
            }
            try run(loop) { !ends.isEmpty }
            loop.run(.noWait)
            let end = try #require(ends.first ?? nil)
            switch how {
            case .sinkBreaks: #expect(end.side == .sink && [.brokenPipe, .connectionReset].contains(end.error))
            case .sourceClosed: #expect(end == PipingError(side: .source, error: .canceled))
            case .sinkClosed: #expect(end == PipingError(side: .sink, error: .canceled))
            case .loopCloses: #expect(end.error == .canceled)
            case .sourceFails: #expect(end == PipingError(side: .source, error: .connectionReset))
            }
            #expect(ends.count == 1)
            loop.closeHandles()
            loop.run()
            #expect(ends.count == 1)
        }
    }

    @Test("that cannot begin is thrown, and leaves nothing behind") func refused() throws {
        try withLoop { loop in
            let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            let source = try TCPStream(connectingTo: listener.localAddress, on: loop) { _, _ in }
            let (sink, reader) = try makeStreamPair(on: loop)
            #expect(throws: UVError.notConnected) {
                try source.pipe(to: sink) { _ in Issue.record("it was thrown") }
            }
            #expect(sink.onDrain == nil && sink.onWriteError == nil)
            for handle in [listener, source, sink, reader] as [Handle] { handle.close() }
        }
    }

    @Test("to what takes nothing any more ends by itself", arguments: ["closed", "failed", "shut down"])
    func deadSink(how: String) throws {
        try withLoop { loop in
            let (sink, reader) = try makeStreamPair(on: loop)
            switch how {
            case "closed":
                loop.closeHandles()
                loop.run()
            case "failed":
                reader.close()
                sink.write([1])
                try run(loop) { sink.writeError != nil }
                loop.run(.noWait)
            default: sink.shutdown()
            }
            let (writer, source) = try makeStreamPair(on: loop)
            var ends: [PipingError?] = []
            try source.pipe(to: sink) { ends.append($0) }
            #expect(ends.isEmpty, "on a later tick")
            try run(loop) { !ends.isEmpty }
            let error = try #require(ends.first ?? nil)
            #expect(error.side == .sink)
            #expect((how == "closed" ? [.canceled] : [.brokenPipe, .connectionReset]).contains(error.error))
            for stream in [writer, source, reader] { stream.close() }
            if !sink.isClosing { sink.close() }
            loop.run()
            #expect(ends.count == 1)
        }
    }

    @Test("to a stream that cannot connect ends with the reason") func refusedSink() throws {
        try withLoop { loop in
            let (writer, source) = try makeStreamPair(on: loop)
            // The listener is bound but not listening.
            let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            let sink = try TCPStream(connectingTo: listener.localAddress, on: loop) { _, _ in }
            var ends: [PipingError?] = []
            try source.pipe(to: sink) { ends.append($0) }
            writer.write([1])
            try run(loop) { !ends.isEmpty }
            #expect(ends == [PipingError(side: .sink, error: .connectionRefused)])
            for handle in [writer, source, listener] as [Handle] { handle.close() }
        }
    }

    @Test("ends when its sink is told to finish meanwhile") func finishedSink() throws {
        try withLoop { loop in
            let (writer, source) = try makeStreamPair(on: loop)
            let (sink, reader) = try makeStreamPair(on: loop)
            var ends: [PipingError?] = []
            try source.pipe(to: sink) { ends.append($0) }
            writer.write([1])
            try run(loop) { sink.acceptedByteCount == 1 }
            sink.shutdown()
            writer.write([2])
            try run(loop) { !ends.isEmpty }
            #expect(ends == [PipingError(side: .sink, error: .brokenPipe)])
            for stream in [writer, source, sink, reader] { stream.close() }
        }
    }

    @Test("from a file whose reader the loop has closed ends by itself") func deadReader() throws {
        try withTemporaryDirectory { directory in
            try Posix.write(content, to: "\(directory)/a")
            try withLoop { loop in
                let reader = try FileReader("\(directory)/a", on: loop)
                loop.closeHandles()
                loop.run()
                let (sink, other) = try makeStreamPair(on: loop)
                var ends: [PipingError?] = []
                reader.pipe(to: sink) { ends.append($0) }
                try run(loop) { !ends.isEmpty }
                #expect(ends == [PipingError(side: .source, error: .canceled)])
                sink.close()
                other.close()
            }
        }
    }

    @Test("ends at once if a side has closed before", arguments: [true, false]) func closedBefore(byLoop: Bool) throws {
        try withTemporaryDirectory { directory in
            try Posix.write(content, to: "\(directory)/f")
            try withLoop { loop in
                let (sink, _) = try makeStreamPair(on: loop)
                let file = try FileReader("\(directory)/f", on: loop)
                byLoop ? loop.closeHandles() : sink.close()
                loop.run()
                let (source, writer) = try makeStreamPair(on: loop)
                var ends: [PipingError?] = []
                try source.pipe(to: sink) { ends.append($0) }
                #expect(ends.isEmpty)
                try run(loop) { !ends.isEmpty }
                #expect(ends == [PipingError(side: .sink, error: .canceled)])
                if byLoop {
                    file.pipe(to: source) { ends.append($0) }
                    try run(loop) { ends.count == 2 }
                    #expect(ends.last == PipingError(side: .source, error: .canceled))
                }
                loop.closeHandles()
                _ = writer
            }
        }
    }

    @Test("back to its source is no mistake when that is ended in order") func echo() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var ends: [PipingError?] = []
            var told: [UVError?] = []
            try one.pipe(to: one) { ends.append($0) }
            var got: [UInt8] = []
            try other.readStart(
                onBytes: { _, bytes in bytes.withUnsafeBytes { got += $0 } },
                onEnd: { stream, _ in
                    // The stream has not been told of the end yet.
                    stream.write([2])
                    stream.shutdown { _ in stream.close() }
                })
            other.write([1])
            try run(loop) { got == [1] }
            one.finish(deadline: hangTimeout) { told.append($0) }
            loop.run()
            #expect(got == [1] && told == [nil])
            #expect(ends == [PipingError(side: .sink, error: .brokenPipe)])
        }
    }

    @Test("takes a file to a stream, and a stream to a file") func files() throws {
        try withTemporaryDirectory { directory in
            try Posix.write(content, to: "\(directory)/a")
            try withLoop { loop in
                let (sink, source) = try makeStreamPair(on: loop)
                let reader = try FileReader("\(directory)/a", on: loop)
                let writer = try FileWriter("\(directory)/b", .createNew, on: loop)
                var ends: [PipingError?] = []
                try source.pipe(to: writer) { ends.append($0) }
                reader.pipe(to: sink) { ends.append($0) }
                try run(loop) { ends.count == 2 }
                #expect(ends == [nil, nil])
                #expect(try Files.read("\(directory)/b", limit: .max) == content)
                for handle in [sink, source, reader, writer] as [Handle] { handle.close() }
            }
        }
    }
}
