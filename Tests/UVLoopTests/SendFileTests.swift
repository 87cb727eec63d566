import Libc
import TestSupport
import Testing

@testable import UVLoop

@Suite("Sending a file") struct SendFileTests {
    /// The bytes, made once: each test is an instance of its own.
    private static let content = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 17 ^ $0 >> 9) }
    private var content: [UInt8] { Self.content }

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
            // The file is larger than the buffers of both sockets.
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

    @Test("is whole when the stream is told to finish meanwhile") func finishing() throws {
        try withTemporaryDirectory { directory in
            try Posix.write(content, to: "\(directory)/f")
            try withLoop { loop in
                let (stream, reader) = try makeTCPPair(on: loop)
                var got: [UInt8] = []
                var told: [String] = []
                try stream.sendFile("\(directory)/f") { told.append((try? $0.get()) == 3_000_000 ? "file" : "cut") }
                stream.finish(deadline: hangTimeout) { told.append("finish \($0?.name ?? "ok")") }
                try reader.collect { got = $0 }
                loop.run()
                #expect(got == content)
                #expect(told == ["file", "finish ok"])
            }
        }
    }

    @Test("leaves no descriptor open while the stream lives on") func descriptors() throws {
        try withTemporaryDirectory { directory in
            try Posix.write([1, 2, 3], to: "\(directory)/f")
            try withLoop { loop in
                let (stream, reader) = try makeTCPPair(on: loop)
                let inode = try FileStatus(ofDescriptor: stream.descriptor!).identity
                var sent = 0
                for _ in 0..<5 {
                    try stream.sendFile("\(directory)/f") { _ in sent += 1 }
                    try run(loop) { sent > 0 }
                    sent = 0
                }
                // The pool may hold the descriptors a moment longer.
                try run(loop) {
                    (0..<Int32(4096)).filter { (try? FileStatus(ofDescriptor: $0).identity) == inode }.count == 1
                }
                stream.close()
                reader.close()
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
