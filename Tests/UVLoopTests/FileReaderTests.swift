import TestSupport
import Testing
import UVLoop

@Suite("A file reader") struct FileReaderTests {
    private let content = (0..<700_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }

    @Test("gives a file in bounded runs, or the part that was asked for") func whole() throws {
        try withTemporaryDirectory { directory in
            try Posix.write(content, to: directory + "/f")
            for (offset, limit) in [
                (0, nil), (1000, nil), (0, 10), (650_000, 100_000), (800_000, nil), (0, 0), (.init(Int64.max), nil),
            ]
                as [(UInt64, UInt64?)]
            {
                try withLoop { loop in
                    let reader = try FileReader(directory + "/f", from: offset, limit: limit, on: loop)
                    var bytes: [UInt8] = []
                    reader.start(
                        onBytes: { _, span in
                            #expect((1...FileReader.chunk).contains(span.byteCount))
                            span.withUnsafeBytes { bytes += $0 }
                        },
                        onEnd: { reader, error in
                            #expect(error == nil)
                            reader.close()
                        })
                    #expect(bytes.isEmpty, "nothing is called within the call")
                    loop.run()
                    #expect(
                        bytes.elementsEqual(
                            content.dropFirst(Int(clamping: offset)).prefix(limit.map { Int($0) } ?? .max)))
                    #expect(reader.offset == offset + UInt64(bytes.count))
                }
            }
        }
    }

    @Test("presses back, and goes on where it was") func paused() throws {
        try withTemporaryDirectory { directory in
            try Posix.write(content, to: directory + "/f")
            try withLoop { loop in
                let reader = try FileReader(directory + "/f", on: loop)
                var bytes: [UInt8] = []
                var isEnded = false
                reader.start(
                    onBytes: { reader, span in
                        #expect(!reader.isPaused)
                        span.withUnsafeBytes { bytes += $0 }
                        reader.pause()
                        loop.onNextTick { reader.resume() }
                    },
                    onEnd: { _, _ in isEnded = true })
                loop.run()
                #expect(isEnded && bytes == content)
                #expect(!reader.isActive)
                reader.close()
            }
        }
    }

    @Test("is closed while it reads, by its owner or by the loop", arguments: [false, true]) func closed(byLoop: Bool)
        throws
    {
        try withTemporaryDirectory { directory in
            try Posix.write(content, to: directory + "/f")
            try withLoop { loop in
                let reader = try FileReader(directory + "/f", on: loop)
                var ends: [UVError?] = []
                reader.start(onBytes: { _, _ in Issue.record("closed") }, onEnd: { ends.append($1) })
                byLoop ? loop.closeHandles() : reader.close()
                loop.run()
                #expect(ends == (byLoop ? [.canceled] : []))
            }
            try withLoop { loop in
                #expect(throws: UVError.noEntry) { try FileReader(directory + "/none", on: loop) }
                #expect(throws: UVError.isDirectory) { try FileReader(directory, on: loop) }
            }
        }
    }
}
