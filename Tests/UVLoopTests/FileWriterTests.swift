import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A file writer") struct FileWriterTests {
    @Test("writes in order and tells of each write in order", arguments: [false, true]) func order(isSynchronous: Bool)
        throws
    {
        try withTemporaryDirectory { directory in
            let path = directory + "/f"
            try Posix.write("before ", to: path)
            var told: [Int] = []
            try withLoop { loop in
                let writer = try FileWriter(path, isSynchronous: isSynchronous, on: loop)
                for number in 0..<1000 {
                    writer.write(Array("\(number) ".utf8)) { error in
                        #expect(error == nil)
                        told.append(number)
                    }
                }
                #expect(told.isEmpty && writer.queuedBytes == 3890)
                writer.synchronize { error in
                    #expect(error == nil && told.count == 1000 && writer.queuedBytes == 0)
                    writer.close()
                }
            }
            #expect(told == Array(0..<1000))
            let text = "before " + (0..<1000).map { "\($0) " }.joined()
            #expect(try Files.read(path, limit: 1 << 20) == Array(text.utf8))
        }
    }

    @Test("asks its caller to wait, and says when to go on") func pressure() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let writer = try FileWriter(directory + "/f", .createNew, on: loop)
                writer.highWaterMark = 100_000
                let chunk = [UInt8](repeating: 7, count: 30_000)
                var chunks = 0
                var drains = 0
                func fill() {
                    while chunks < 40 {
                        chunks += 1
                        guard writer.write(chunk) else { break }
                    }
                    #expect(writer.queuedBytes < 130_000)
                }
                writer.onDrain = { writer in
                    #expect(writer.queuedBytes == 0)
                    drains += 1
                    chunks < 40 ? fill() : writer.close()
                }
                fill()
                loop.run()
                #expect(drains == 10)
                #expect(try Files.status(of: directory + "/f").size == 40 * 30_000)
            }
        }
    }

    @Test("fails a write that has no room, and all after it, and no other") func full() throws {
        try withTemporaryDirectory { directory in
            guard Posix.mountMemory(at: directory, options: "size=64k,mode=700") else { return }
            defer { Posix.unmount(directory) }
            try withLoop { loop in
                let writer = try FileWriter(directory + "/f", on: loop)
                var errors: [UVError?] = []
                for count in [1000, 40_000, 50_000, 1000] {
                    writer.write([UInt8](repeating: 1, count: count)) { errors.append($0) }
                }
                loop.run()
                #expect(errors == [nil, nil, .noSpace, .noSpace] && writer.failure == .noSpace)
                // There is room again, but the gap in the middle stays.
                try OpenFile(directory + "/f", .readWrite).truncate()
                writer.write([1]) { errors.append($0) }
                writer.synchronize { errors.append($0) }
                loop.run()
                #expect(errors.dropFirst(4) == [.noSpace, .noSpace])
                writer.close()
            }
        }
    }

    @Test("completes every write once, whoever closes it", arguments: [false, true]) func closed(byLoop: Bool) throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let writer = try FileWriter(directory + "/f", on: loop)
                var errors: [UVError?] = []
                writer.write([UInt8](repeating: 1, count: 2 << 20)) { errors.append($0) }
                for _ in 0..<3 { writer.write([1]) { errors.append($0) } }
                loop.onNextTick {
                    byLoop ? loop.closeHandles() : writer.close { #expect(errors.count == 4) }
                    if byLoop { writer.write([1]) { errors.append($0) } }
                }
                loop.run()
                #expect(errors == [UVError?](repeating: .canceled, count: byLoop ? 5 : 4))
            }
        }
    }
}
