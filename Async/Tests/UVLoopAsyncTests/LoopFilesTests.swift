import Libc
import TestSupport
import Testing
import UVLoop
import UVLoopAsync

@Suite("Files for tasks") struct LoopFilesTests {
    @Test("a file is replaced, read, listed, renamed and removed") func names() async throws {
        try await withDirectory { directory in
            try await withExecutor { executor in
                let files = executor.files
                try await files.makeDirectory(at: directory + "/a/b")
                let path = directory + "/a/b/file"
                try await files.replace(path, with: [1, 2, 3], isSynchronous: true)
                #expect(try await files.read(path) == [1, 2, 3])
                #expect(try await files.read(path, limit: 2) == [1, 2])
                #expect(try await files.status(of: path).permissions == 0o600)
                try Posix.setPermissions(0o640, of: path)
                try await files.replace(path, with: [])
                #expect(try await files.status(of: path).permissions == 0o640)
                try await files.replace(path, with: [4], permissions: 0o644)
                #expect(try await files.status(of: path).permissions == 0o644)
                // Nothing but the file is left.
                #expect(try await files.names(inDirectory: directory + "/a/b") == ["file"])
                try await files.rename(path, to: path + "2")
                try await files.unlink(path + "2")
                await #expect(throws: UVError.noEntry) { try await files.read(path) }
                await #expect(throws: UVError.noEntry) { try await files.replace(directory + "/none/x", with: []) }
                await #expect(throws: UVError.isDirectory) { try await files.replace(directory + "/a", with: [1]) }
                #expect(try await files.names(inDirectory: directory) == ["a"])
            }
        }
    }

    @Test("who reads a file while it is replaced finds one of both contents, whole") func replacing() async throws {
        try await withDirectory { directory in
            try await withExecutor { executor in
                let path = directory + "/file"
                let contents = (0..<4).map { [UInt8](repeating: $0, count: 100_000 + Int($0) * 1000) }
                try await executor.files.replace(path, with: contents[0])
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for bytes in contents {
                        group.addTask {
                            for _ in 0..<50 { try await executor.files.replace(path, with: bytes) }
                        }
                        group.addTask {
                            for _ in 0..<50 {
                                let isWhole = contents.contains(try await executor.files.read(path))
                                #expect(isWhole)
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                #expect(try await executor.files.names(inDirectory: directory) == ["file"])
            }
        }
    }

    @Test("a large file is read piece by piece, from any place on; a canceled read loses nothing") func pieces()
        async throws
    {
        try await withDirectory { directory in
            try await withExecutor { executor in
                let path = directory + "/file"
                let contents = (0..<2_000_003).map { UInt8(truncatingIfNeeded: $0 / 7) }
                try await executor.files.replace(path, with: contents)
                var bytes = executor.files.bytes(of: path, from: 5).makeAsyncIterator()
                var received: [UInt8] = []
                var canceledCount = 0
                while true {
                    let reading = Task { [bytes] in
                        var bytes = bytes
                        return try await bytes.next()
                    }
                    if canceledCount < 20 { reading.cancel() }
                    do {
                        guard let piece = try await reading.value else { break }
                        received += piece
                    } catch {
                        #expect(error as? UVError == .canceled)
                        canceledCount += 1
                    }
                }
                let isSame = received == Array(contents[5...])
                #expect(isSame, "\(received.count) bytes")
                #expect(try await bytes.next() == nil)
                var few = executor.files.bytes(of: path, from: 100, limit: 10).makeAsyncIterator()
                #expect(try await few.next() == Array(contents[100..<110]))
                #expect(try await few.next() == nil)
                var past = executor.files.bytes(of: path, from: .max).makeAsyncIterator()
                #expect(try await past.next() == nil)
                await #expect(throws: UVError.noEntry) {
                    for try await _ in executor.files.bytes(of: directory + "/none") {}
                }
            }
        }
    }

    @Test("what several tasks append is in the file in one piece each, and its lines are read again") func appending()
        async throws
    {
        try await withDirectory { directory in
            try await withExecutor { executor in
                let path = directory + "/log"
                let log = try await executor.files.appending(to: path)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for task in 0..<10 {
                        group.addTask {
                            for number in 0..<50 { try await log.write("\(task) \(number)\n") }
                        }
                    }
                    try await group.waitForAll()
                }
                try await log.synchronize()
                let canceled = Task {
                    withUnsafeCurrentTask { $0?.cancel() }
                    try await log.write("canceled\n")
                }
                await #expect(throws: UVError.canceled) { try await canceled.value }
                await log.close()
                await #expect(throws: UVError.canceled) { try await log.write("late") }
                var lines: [[Int]] = []
                for try await line in executor.files.lines(of: path) {
                    lines.append(line.text.split(separator: " ").compactMap { Int($0) })
                }
                #expect(lines.count == 500)
                for task in 0..<10 {
                    #expect(lines.filter { $0.first == task }.map { $0[1] } == Array(0..<50))
                }
                await #expect(throws: UVError.messageTooLong) {
                    for try await _ in executor.files.lines(of: path, longest: 3) {}
                }
            }
        }
    }

    @Test("work that has not begun does not run when its task is canceled; what has begun is waited for") func work()
        async throws
    {
        try await withExecutor { executor in
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            let (readEnd, writeEnd) = (ends[0], ends[1])
            let begun = Counter()
            // More than any pool has threads for, in a test: those that have one wait for a byte each.
            let blocked = (0..<64).map { _ in
                Task {
                    try await executor.work {
                        var byte: UInt8 = 0
                        return read(readEnd, &byte, 1)
                    }
                }
            }
            let late = Task {
                await begun.add()
                return try await executor.work { 1 }
            }
            try await until("it is asked for") { await begun.value == 1 }
            for task in blocked.dropFirst(32) { task.cancel() }
            late.cancel()
            await #expect(throws: UVError.canceled) { try await late.value }
            // For those that have begun, whichever they are.
            let bytes = [UInt8](repeating: 0, count: 64)
            #expect(write(writeEnd, bytes, 64) == 64)
            var count = 0
            for task in blocked {
                switch await task.result {
                case .success(let length): count += length
                case .failure(let error): #expect(error as? UVError == .canceled)
                }
            }
            #expect(count >= 32)
            OwnedDescriptor(readEnd).close()
            OwnedDescriptor(writeEnd).close()
        }
    }

    @Test("files of a loop that has ended are canceled") func ended() async throws {
        let executor = try LoopExecutor()
        await executor.shutdown()
        await #expect(throws: UVError.canceled) { try await executor.files.read("/dev/null") }
        await #expect(throws: UVError.canceled) { try await executor.files.appending(to: "/dev/null") }
    }
}
