import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A stream of a descriptor") struct PipeStreamTests {
    @Test("owns it: it is closed with the stream") func owns() throws {
        try withLoop { loop in
            let (ours, theirs) = socketPair()
            let stream = try PipeStream(takingOwnershipOf: ours, on: loop)
            #expect(stream.isOpen)
            #expect(stream.descriptor == ours)
            stream.close()
            #expect(stream.descriptor == nil)
            var byte: UInt8 = 0
            #expect(read(theirs, &byte, 1) == 0)
            close(theirs)
        }
    }

    @Test("is refused for what cannot be polled; the descriptor stays the caller's") func refuses() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let file = try OpenFile(directory + "/f", .createNew)
                #expect(throws: UVError.invalidArgument) {
                    try PipeStream(takingOwnershipOf: file.descriptor, on: loop)
                }
                try file.write([1])
                #expect(throws: UVError.badDescriptor) { try PipeStream(takingOwnershipOf: 999_999, on: loop) }
                let (ours, theirs) = socketPair()
                let stream = try PipeStream(takingOwnershipOf: ours, on: loop)
                try stream.readStart(onBytes: { _, _ in }, onEnd: { _, _ in })
                #expect(throws: UVError.exists) { try PipeStream(takingOwnershipOf: ours, on: loop) }
                #expect(stream.descriptor == ours)
                stream.close()
                close(theirs)
            }
        }
    }

    @Test("carries the bytes of a pipe") func pipes() throws {
        try withLoop { loop in
            let ends = pipePair()
            let reader = try PipeStream(takingOwnershipOf: ends.0, on: loop)
            let writer = try PipeStream(takingOwnershipOf: ends.1, on: loop)
            var got: [UInt8] = []
            try reader.collect { got = $0 }
            let message = [UInt8](repeating: 3, count: 300_000)
            writer.write(message) { _ in writer.close() }
            loop.run()
            #expect(got == message)
        }
    }

    @Test("knows without writing that nobody has the other end open") func broken() throws {
        try withLoop { loop in
            let ends = pipePair()
            let writer = try PipeStream(takingOwnershipOf: ends.1, on: loop)
            #expect(!writer.isBroken)
            close(ends.0)
            // A child that another test starts has a copy of the descriptor until its exec.
            try run(loop) { writer.isBroken }
            writer.close()
            let (ours, theirs) = socketPair()
            let socket = try PipeStream(takingOwnershipOf: ours, on: loop)
            #expect(!socket.isBroken)
            close(theirs)
            try run(loop) { socket.isBroken }
            socket.close()
            #expect(!socket.isBroken, "closed by us")
        }
    }
}
