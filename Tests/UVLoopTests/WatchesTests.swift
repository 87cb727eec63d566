import Libc
import TestSupport
import Testing
import UVLoop

/// Each watch is taken before the loop polls: libuv ends the process if the kernel has none left then (H70).
@Suite("A watch in the kernel") struct WatchesTests {
    @Test("is taken before the loop polls, by whatever is to be watched")
    func isTakenAtOnce() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                guard let before = count(of: loop) else { return }
                let (one, other) = socketPair()
                let listener = try PipeListener(bindingTo: "\(directory)/s", on: loop)
                try listener.listen { _, _ in }
                #expect(count(of: loop) == before + 1)
                let stream = try PipeStream(takingOwnershipOf: one, on: loop)
                try stream.readStart(onBytes: { _, _ in }, onEnd: { _, _ in })
                #expect(count(of: loop) == before + 2)
                let poll = try PollHandle(descriptor: other, on: loop)
                try poll.start(.readable) { _, _, _ in }
                #expect(count(of: loop) == before + 3)
                #if os(Linux)
                let queue = try SignalQueue([.user2], on: loop) { _ in }
                #expect(count(of: loop) == before + 4)
                queue.close()
                #endif
                let expected = try #require(count(of: loop)) + (ChildProcess.usesPidfd ? 1 : 0)
                _ = try ChildProcess(.init(executable: "true"), on: loop) { _, _ in
                    listener.close()
                    stream.close()
                    poll.close { Glibc.close(other) }
                }
                #expect(count(of: loop) == expected)
            }
        }
    }

    /// Returns the number of descriptors that the kernel watches for a loop; nil if it does not tell.
    private func count(of loop: Loop) -> Int? {
        (try? Files.read("/proc/self/fdinfo/\(loop.backendDescriptor)", limit: 65536)).map {
            String(decoding: $0, as: UTF8.self).split(separator: "\n").count { $0.hasPrefix("tfd:") }
        }
    }
}
