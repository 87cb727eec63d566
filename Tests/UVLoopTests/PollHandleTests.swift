import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A poll watcher") struct PollHandleTests {
    @Test("reports readable and writable, and the peer's end") func reports() throws {
        try withLoop { loop in
            let (ours, theirs) = socketPair()
            let watcher = try PollHandle(descriptor: ours, on: loop)
            var seen: [PollHandle.Events] = []
            try watcher.start(.writable) { watcher, events, error in
                #expect(error == nil)
                seen.append(events)
                watcher.stop()
            }
            loop.run()
            #expect(seen == [.writable])
            try watcher.start([.readable, .disconnect]) { watcher, events, _ in
                seen.append(events)
                watcher.close { Glibc.close(ours) }
            }
            Glibc.close(theirs)
            loop.run()
            #expect(seen.last == [.readable, .disconnect])
        }
    }

    @Test("is refused for what is open elsewhere, closed, or a file") func refused() throws {
        try withLoop { loop in
            let (ours, theirs) = socketPair()
            let stream = try PipeStream(takingOwnershipOf: ours, on: loop)
            try stream.readStart(onBytes: { _, _ in }, onEnd: { _, _ in })
            #expect(throws: UVError.exists) { try PollHandle(descriptor: ours, on: loop) }
            #expect(throws: UVError.badDescriptor) { try PollHandle(descriptor: 999_999, on: loop) }
            try withTemporaryDirectory { directory in
                let file = try OpenFile(directory + "/f", .createNew)
                #expect(throws: UVError.notPermitted) { try PollHandle(descriptor: file.descriptor, on: loop) }
            }
            stream.close()
            Glibc.close(theirs)
        }
    }

    @Test("may be stopped after its close") func stopped() throws {
        try withLoop { loop in
            let (ours, theirs) = socketPair()
            let watcher = try PollHandle(descriptor: ours, on: loop)
            watcher.close { Glibc.close(ours) }
            watcher.stop()
            Glibc.close(theirs)
        }
    }
}
