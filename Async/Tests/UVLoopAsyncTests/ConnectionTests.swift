import TestSupport
import Testing
import UVLoop
import UVLoopAsync

@Suite("A connection for tasks") struct ConnectionTests {
    @Test("bytes go both ways, over a unix socket and over TCP", arguments: [true, false])
    func echo(_ isUnix: Bool) async throws {
        try await withPair(isUnix) { client, server, _ in
            let echo = Task {
                for try await bytes in server.bytes { try await server.write(bytes) }
                try await server.finish()
            }
            var expected: [UInt8] = []
            for number in 0..<100 {
                let part = [UInt8](repeating: UInt8(number), count: 1000)
                try await client.write(part)
                expected += part
            }
            try await client.finishWriting()
            var received: [UInt8] = []
            for try await bytes in client.bytes { received += bytes }
            // Not the bytes themselves, which a failure would print.
            let isSame = received == expected
            #expect(
                isSame,
                "\(received.count) bytes of \(expected.count), the same up to \(zip(received, expected).prefix { $0 == $1 }.count)"
            )
            try await echo.value
            await #expect(throws: UVError.brokenPipe) { try await client.write("more") }
        }
    }

    @Test("lines come one by one, in whatever pieces, the last one without a newline too") func lines() async throws {
        try await withPair { client, server, _ in
            let writing = Task {
                for piece in ["on", "e\ntwo\n\nthr", "ee", "\nlast"] { try await client.write(piece) }
                try await client.finishWriting()
            }
            var lines: [String] = []
            for try await line in server.lines() { lines.append(line.text) }
            #expect(lines == ["one", "two", "", "three", "last"])
            try await writing.value
        }
    }

    @Test("a line that is too long ends the sequence, after those before it") func tooLong() async throws {
        try await withPair { client, server, _ in
            try await client.write("short\n" + String(repeating: "x", count: 100) + "\n")
            var lines: [String] = []
            await #expect(throws: UVError.messageTooLong) {
                for try await line in server.lines(longest: 10) { lines.append(line.text) }
            }
            #expect(lines == ["short"])
        }
    }

    @Test("a reader that does not ask keeps the writer waiting, and both memories small") func backPressure()
        async throws
    {
        try await withPair { client, server, executor in
            let written = Counter()
            let writer = Task {
                let block = [UInt8](repeating: 1, count: 65536)
                for _ in 0..<1000 {
                    try await client.write(block)
                    await written.add()
                }
                try await client.finishWriting()
            }
            // What was asked once reads on, up to the limit.
            var count = try #require(try await server.read()).count
            try await until("the writer waits") {
                let before = await written.value
                // Two turns of the loop without progress.
                try await executor.run { _ in }
                try await executor.run { _ in }
                return await written.value == before && before > 0
            }
            #expect(await written.value < 200)
            #expect(await client.queuedByteCount <= 3 * 65536)
            while let bytes = try await server.read() { count += bytes.count }
            #expect(count == 65_536_000)
            try await writer.value
        }
    }

    @Test("a canceled read loses nothing, and the next one goes on") func canceledRead() async throws {
        try await withPair { client, server, _ in
            for number in 0..<200 {
                let reader = Task { try await server.read() }
                if number % 2 == 0 { await Task.yield() }
                let writer = Task { try await client.write("\(number)\n") }
                reader.cancel()
                try await writer.value
                var received: [UInt8] = []
                do { received = try await reader.value ?? [] } catch { #expect(error as? UVError == .canceled) }
                while received.last != UInt8(ascii: "\n") { received += try #require(try await server.read()) }
                #expect(String(decoding: received, as: UTF8.self) == "\(number)\n")
            }
        }
    }

    @Test("a second reader is refused, and the first one goes on") func twoReaders() async throws {
        try await withPair { client, server, executor in
            let first = Task { try await server.read() }
            try await until("it reads") {
                try await executor.run { _ in }; return await server.isActive
            }
            await #expect(throws: UVError.busy) { try await server.read() }
            try await client.write("x")
            #expect(try await first.value == [0x78])
        }
    }

    @Test("a writer that waits is canceled, and what it has written is sent all the same") func canceledWrite()
        async throws
    {
        try await withPair { client, server, executor in
            let block = [UInt8](repeating: 1, count: 1 << 20)
            let writer = Task { try await client.write(block) }
            try await until("it waits") { await client.queuedByteCount > 0 }
            writer.cancel()
            await #expect(throws: UVError.canceled) { try await writer.value }
            let finishing = Task { try await client.finish() }
            var count = 0
            for try await bytes in server.bytes { count += bytes.count }
            #expect(count == block.count)
            await server.close()
            try await finishing.value
        }
    }

    @Test("the end of a scope loses nothing that was written in it, also after an error") func scope() async throws {
        struct Failure: Error {}
        for fails in [false, true] {
            try await withPair { client, server, _ in
                let block = [UInt8](repeating: 1, count: 5 << 20)
                let reading = Task {
                    var count = 0
                    for try await bytes in server.bytes { count += bytes.count }
                    await server.close()
                    return count
                }
                do {
                    try await client.whileOpen { client in
                        await client.set(highWaterMark: 10 << 20)
                        try await client.write(block)
                        if fails { throw Failure() }
                    }
                    #expect(!fails)
                } catch is Failure {
                    #expect(fails)
                }
                #expect(try await reading.value == block.count)
            }
        }
    }

    @Test("one that ends while its peer goes on sending is heard, and its own reader is canceled") func endsEarly()
        async throws
    {
        try await withPair { client, server, _ in
            let block = [UInt8](repeating: 1, count: 20 << 20)
            let sending = Task {
                try await client.write(block)
                try await client.drain()
                var heard: [UInt8] = []
                for try await bytes in client.bytes { heard += bytes }
                await client.close()
                return heard
            }
            try await server.whileOpen { server in
                // No more comes in than a reader takes.
                _ = try await server.read()
                try await server.write("enough\n")
            }
            #expect(try await sending.value == Array("enough\n".utf8))
        }
        try await withPair { client, server, executor in
            let reading = Task { try await server.read() }
            try await until("it reads") {
                try await executor.run { _ in }; return await server.isActive
            }
            let ending = Task { try await server.finish() }
            await #expect(throws: UVError.canceled) { try await reading.value }
            await client.close()
            try await ending.value
        }
    }

    @Test("a scope that a canceled task leaves loses nothing that was written in it, and waits for nobody")
    func canceledScope()
        async throws
    {
        for isCanceledBefore in [true, false] {
            try await withPair { client, server, _ in
                let block = [UInt8](repeating: 1, count: 5 << 20)
                let task = Task {
                    try await client.whileOpen { client in
                        await client.set(highWaterMark: 10 << 20)
                        try await client.write(block)
                        if isCanceledBefore { withUnsafeCurrentTask { $0?.cancel() } }
                    }
                }
                if !isCanceledBefore {
                    try await until("it waits for its peer") { await client.isFinishing }
                    task.cancel()
                }
                await #expect(throws: UVError.canceled) { try await task.value }
                var count = 0
                for try await bytes in server.bytes { count += bytes.count }
                #expect(count == block.count)
                await server.close()
                try await until("it has closed") { await client.isClosed }
            }
        }
    }

    @Test("a canceled end of writing is told at once, and sent all the same") func canceledFinish() async throws {
        try await withPair { client, server, _ in
            await client.set(highWaterMark: 10 << 20)
            try await client.write([UInt8](repeating: 1, count: 5 << 20))
            let task = Task { try await client.finishWriting() }
            try await until("it waits") { await client.isFinishing }
            task.cancel()
            await #expect(throws: UVError.canceled) { try await task.value }
            var count = 0
            for try await bytes in server.bytes { count += bytes.count }
            #expect(count == 5 << 20)
        }
    }

    @Test("one that is let go of sends what was written, and closes") func letGo() async throws {
        try await withDirectory { directory in
            try await withExecutor { executor in
                let server = try await Server.bind(to: SocketAddress(unixPath: directory + "/s"), on: executor)
                let block = [UInt8](repeating: 1, count: 1 << 20)
                let writer = Task {
                    let client = try await Connection.connect(to: server.address, on: executor)
                    await client.set(highWaterMark: 10 << 20)
                    try await client.write(block)
                }
                var connections = server.connections().makeAsyncIterator()
                let accepted = try #require(try await connections.next())
                try await writer.value
                var count = 0
                for try await bytes in accepted.bytes { count += bytes.count }
                #expect(count == block.count)
                await accepted.close()
                await server.close()
            }
        }
    }

    @Test("whoever waits is told of a close, and of the end of the loop") func closed() async throws {
        try await withPair { client, _, executor in
            let reader = Task { try await client.read() }
            try await until("it reads") {
                try await executor.run { _ in }; return await client.isActive
            }
            await client.close()
            await #expect(throws: UVError.canceled) { try await reader.value }
            await #expect(throws: UVError.canceled) { try await client.write("x") }
            await #expect(throws: UVError.canceled) { try await client.read() }
            await #expect(throws: UVError.canceled) { try await client.finishWriting() }
            await #expect(throws: UVError.canceled) { try await client.finish() }
            await client.close()
        }
    }

    @Test("one that is closed while tasks write, read and finish is a canceled one for them") func closedByOthers()
        async throws
    {
        for round in 0..<50 {
            try await withPair { client, server, _ in
                // Its body's own close is no error of the scope's.
                if round % 2 == 0 { try await server.whileOpen { await $0.close() } }
                await withTaskGroup(of: Void.self) { group in
                    for task in 0..<8 {
                        group.addTask {
                            do {
                                switch task % 4 {
                                case 0: try await client.write("x")
                                case 1: _ = try await client.read()
                                case 2: try await client.finishWriting()
                                default: try await client.finish()
                                }
                            } catch {
                                #expect(error is UVError)
                            }
                        }
                    }
                    group.addTask { await client.close() }
                }
            }
        }
    }

    @Test("a connect that fails says why, and one that is canceled ends") func connecting() async throws {
        try await withDirectory { directory in
            try await withExecutor { executor in
                await #expect(throws: UVError.noEntry) {
                    try await Connection.connect(to: SocketAddress(unixPath: directory + "/none"), on: executor)
                }
                let error = await #expect(throws: ConnectError.self) {
                    try await Connection.connect(to: "127.0.0.1", port: 1, on: executor)
                }
                #expect(error?.error == .connectionRefused)
                let canceled = Task { try await Connection.connect(to: "127.0.0.1", port: 1, on: executor) }
                canceled.cancel()
                await #expect(throws: ConnectError.self) { try await canceled.value }
            }
        }
    }
}

extension Connection {
    func set(highWaterMark: Int) { self.highWaterMark = highWaterMark }

    var isActive: Bool { stream.isActive }
    var isFinishing: Bool { stream.isShutDown }
    var isClosed: Bool { stream.isClosing }
}
