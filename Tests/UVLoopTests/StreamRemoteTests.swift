import Libc
import TestSupport
import Testing
import UVLoop

// Elsewhere everything is written on the loop's thread.
#if os(Linux)
@Suite("A stream's remote") struct StreamRemoteTests {
    /// Reads what has come, without waiting.
    private func takeAll(from socket: Int32, into received: inout [UInt8]) {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(socket, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return }
            received += bytes[..<count]
        }
    }

    @Test("what the kernel leaves of a write comes before all that is written later") func order() throws {
        try withLoop { loop in
            let (ours, theirs) = socketPair()
            let stream = try PipeStream(takingOwnershipOf: ours, on: loop)
            let remote = stream.makeRemote()
            var received: [UInt8] = []
            for settles in [true, false, true] {
                let before = stream.acceptedByteCount
                #expect(remote.send([1, 1, 1]) == .taken)
                #expect(stream.acceptedByteCount == before + 3)
                #expect(remote.send([UInt8](repeating: 2, count: 4 << 20)) == .queued)
                #expect(remote.send([4]) == .refused)
                if settles { stream.settle() }
                #expect(!stream.write([3, 3]))
                #expect(remote.send([4]) == .refused)
                received = []
                try run(loop) {
                    takeAll(from: theirs, into: &received)
                    return received.count == (4 << 20) + 5
                }
                #expect(received.prefix(3) == [1, 1, 1])
                #expect(received.dropFirst(3).dropLast(2).allSatisfy { $0 == 2 })
                #expect(received.suffix(2) == [3, 3])
                try run(loop) { stream.queuedByteCount == 0 }
                #expect(stream.acceptedByteCount == before + UInt64(received.count))
            }
            stream.close()
            close(theirs)
        }
    }

    @Test("a shutdown sends what the kernel has left of a write") func shutdown() throws {
        try withLoop { loop in
            let (ours, theirs) = socketPair()
            let stream = try PipeStream(takingOwnershipOf: ours, on: loop)
            let remote = stream.makeRemote()
            #expect(remote.send([UInt8](repeating: 1, count: 4 << 20)) == .queued)
            var isShut = false
            stream.shutdown { error in
                #expect(error == nil)
                isShut = true
            }
            #expect(remote.send([2]) == .refused)
            var received: [UInt8] = []
            try run(loop) {
                takeAll(from: theirs, into: &received)
                return isShut
            }
            takeAll(from: theirs, into: &received)
            #expect(received.count == 4 << 20)
            stream.close()
            #expect(remote.send([2]) == .refused)
            close(theirs)
        }
    }

    @Test("a broken connection is the error of the stream's next write") func broken() throws {
        try withLoop { loop in
            let (ours, theirs) = socketPair()
            let stream = try PipeStream(takingOwnershipOf: ours, on: loop)
            let remote = stream.makeRemote()
            var told: UVError?
            stream.onWriteError = { told = $1 }
            close(theirs)
            #expect(remote.send([1]) == .refused)
            #expect(remote.send([1]) == .refused)
            #expect(!stream.write([1]))
            #expect(stream.writeError == .brokenPipe)
            try run(loop) { told != nil }
            #expect(told == .brokenPipe)
            stream.close()
        }
    }

    @Test("a pipe is written to on the loop's thread") func pipe() throws {
        try withLoop { loop in
            let (theirs, ours) = pipePair()
            let stream = try PipeStream(takingOwnershipOf: ours, on: loop)
            let remote = stream.makeRemote()
            #expect(remote.send([1]) == .refused)
            #expect(stream.write([2]))
            #expect(remote.send([1]) == .refused)
            var byte: UInt8 = 0
            #expect(read(theirs, &byte, 1) == 1)
            #expect(byte == 2)
            stream.close()
            close(theirs)
        }
    }
}

extension StreamRemote {
    fileprivate func send(_ bytes: [UInt8]) -> Sending { bytes.withUnsafeBytes { send($0) } }
}
#endif
