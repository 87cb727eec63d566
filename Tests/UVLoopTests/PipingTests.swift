import Libc
import TestSupport
import Testing

@testable import UVLoop

@Suite("Passing on") struct PipingTests {
    private let content = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 131 ^ $0 >> 7) }

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
        // A source that waits for room is not read, and its failure comes to light later.
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
                // Closed with bytes unread, which is a reset.
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

@Suite("Sending a file") struct SendFileTests {
    private let content = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 17 ^ $0 >> 9) }

    @Test("gives the peer all of it, or a part, after what was written before", arguments: [true, false])
    func sends(isTCP: Bool) throws {
        try withTemporaryDirectory { directory in
            try Posix.write(content, to: "\(directory)/f")
            for (offset, limit) in [(0, nil), (1000, nil), (5, 10), (2_999_990, 100), (4_000_000, nil)]
                as [(UInt64, UInt64?)]
            {
                try withLoop { loop in
                    let (stream, reader): (Stream, Stream) =
                        try isTCP ? makeTCPPair(on: loop) : makeStreamPair(on: loop)
                    var got: [UInt8] = []
                    var isEnded = false
                    try reader.readStart(
                        onBytes: { _, bytes in bytes.withUnsafeBytes { got += $0 } }, onEnd: { _, _ in isEnded = true })
                    var results: [Result<UInt64, UVError>] = []
                    stream.write([1, 2, 3])
                    try stream.sendFile("\(directory)/f", from: offset, limit: limit) { result in
                        results.append(result)
                        stream.write([4])
                        stream.shutdown()
                    }
                    try run(loop) { isEnded }
                    let part = content.dropFirst(Int(offset)).prefix(limit.map { Int($0) } ?? .max)
                    #expect(got.elementsEqual([1, 2, 3] + part + [4]))
                    #expect(results == [.success(UInt64(part.count))])
                    stream.close()
                    reader.close()
                }
            }
        }
    }

    @Test("ends once when the stream closes, or the peer does", arguments: ["owner", "loop", "peer"])
    func ends(by whom: String) throws {
        try withTemporaryDirectory { directory in
            // More than both sockets hold.
            try Posix.write([], to: "\(directory)/f")
            try #require(truncate("\(directory)/f", 64 << 20) == 0)
            try withLoop { loop in
                let (stream, reader) = try makeTCPPair(on: loop)
                var results: [Result<UInt64, UVError>] = []
                try stream.sendFile("\(directory)/f") { results.append($0) }
                try run(loop) { stream.queuedByteCount > 0 }
                switch whom {
                case "owner": stream.close()
                case "loop": loop.closeHandles()
                default: reader.reset()
                }
                try run(loop) { !results.isEmpty }
                guard case .failure(let error)? = results.first else {
                    Issue.record("it was sent to nobody")
                    return
                }
                #expect(whom == "peer" ? [.brokenPipe, .connectionReset].contains(error) : error == .canceled)
                stream.close()
                reader.close()
                loop.run()
                #expect(results.count == 1)
            }
        }
    }

    @Test("says at once what can be no file") func refused() throws {
        try withLoop { loop in
            let (stream, reader) = try makeStreamPair(on: loop)
            #expect(throws: UVError.noEntry) { try stream.sendFile("/nonexistent") { _ in } }
            #expect(throws: UVError.isDirectory) { try stream.sendFile("/") { _ in } }
            stream.close()
            reader.close()
        }
    }
}

@Suite("An idle stream") struct IdlingTests {
    @Test("is told once it has been idle, and again, but not while bytes come or go") func idle() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var idle = 0
            try one.readStart(onBytes: { _, _ in }, onEnd: { _, _ in })
            let began = LibUV.monotonicTime
            var lastWrite = began
            one.onIdle(after: .milliseconds(60)) { _ in
                idle += 1
                // The loop's clock counts whole milliseconds.
                #expect(LibUV.monotonicTime - lastWrite >= .milliseconds(58))
            }
            // Something comes all the time, for longer than that.
            let timer = TimerHandle(on: loop)
            var rounds = 0
            timer.start(after: .milliseconds(1), repeating: .milliseconds(1)) { timer in
                rounds += 1
                lastWrite = LibUV.monotonicTime
                other.write([1])
                if rounds == 100 { timer.close() }
            }
            try run(loop) { idle == 2 }
            #expect(LibUV.monotonicTime - began >= .milliseconds(120))
            one.onIdle(after: nil)
            one.close()
            other.close()
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
