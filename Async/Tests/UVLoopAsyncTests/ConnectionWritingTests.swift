import TestSupport
import Testing
import UVLoop
import UVLoopAsync

@Suite("Writing to a connection") struct ConnectionWritingTests {
    @Test(
        "what several tasks write at once arrives whole, and that of each in order, however slow the reader",
        arguments: [true, false])
    func manyWriters(_ isUnix: Bool) async throws {
        let (writers, count) = (6, 60)
        try await withPair(isUnix) { client, server, executor in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<writers {
                    // Some on the loop's thread.
                    group.addTask(executorPreference: writer % 3 == 0 ? executor : nil) {
                        var generator = SeededGenerator(seed: UInt64(writer))
                        for number in 0..<count {
                            let size = Int.random(in: 0...1, using: &generator) == 0 ? 50 : 60_000
                            let length = Int.random(in: 1...size, using: &generator)
                            let head = [UInt8(writer), UInt8(number)] + (0..<4).map { UInt8(length >> ($0 * 8) & 255) }
                            let body = [UInt8](repeating: UInt8(number), count: length)
                            if number % 10 == 0 {
                                try await client.write(parts: [head, body])
                            } else {
                                try await client.write(head + body)
                            }
                        }
                    }
                }
                group.addTask {
                    var next = [Int](repeating: 0, count: writers)
                    var (bytes, first) = ([UInt8](), 0)
                    func need(_ count: Int) async throws {
                        while bytes.count - first < count {
                            bytes = Array(bytes[first...]) + (try #require(try await server.read()))
                            first = 0
                        }
                    }
                    for _ in 0..<writers * count {
                        try await need(6)
                        let (writer, number) = (Int(bytes[first]), Int(bytes[first + 1]))
                        let length = (0..<4).reduce(0) { $0 | Int(bytes[first + 2 + $1]) << ($1 * 8) }
                        first += 6
                        try await need(length)
                        let isWhole = bytes[first..<first + length].allSatisfy { $0 == UInt8(number) }
                        first += length
                        try #require(isWhole && writer < writers && next[writer] == number)
                        next[writer] += 1
                    }
                    #expect(first == bytes.count)
                }
                try await group.waitForAll()
            }
            #expect(await client.queuedByteCount == 0)
        }
    }

    @Test("bytes that were written before a close are sent, if the kernel has taken them") func closed() async throws {
        try await withPair(true) { client, server, _ in
            try await client.write("last")
            await client.close()
            #expect(try await server.read() == Array("last".utf8))
            #expect(try await server.read() == nil)
        }
    }

    @Test("the error of a write is that of later writes, and the end is an error, too", arguments: [true, false])
    func broken(_ isUnix: Bool) async throws {
        try await withPair(isUnix) { client, server, _ in
            await server.close()
            var first: UVError?
            // Over TCP the peer's refusal comes a moment after the first bytes.
            while first == nil {
                do throws(UVError) { try await client.write("x") } catch { first = error }
            }
            let error = try #require(first)
            #expect([.brokenPipe, .connectionReset].contains(error))
            await #expect(throws: error) { try await client.write("x") }
            await #expect(throws: error) { try await client.write(parts: [[1], [2]]) }
            // The reading side may have an error of its own.
            await #expect(throws: UVError.self) { try await client.finish() }
        }
    }

    @Test("a task that is canceled already writes what the queue has room for") func canceled() async throws {
        try await withPair(true) { client, server, _ in
            let writer = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                try await client.write("a")
                let block = [UInt8](repeating: 98, count: 4 << 20)
                await #expect(throws: UVError.canceled) { try await client.write(block) }
            }
            try await writer.value
            let finishing = Task { try await client.finish() }
            var count = 0
            for try await bytes in server.bytes { count += bytes.count }
            #expect(count == 1 + (4 << 20))
            await server.close()
            try await finishing.value
        }
    }
}
