import Libc
import TestSupport
import Testing
import UVLoop

@Suite("Descriptors") struct DescriptorsTests {
    @Test("have a limit that is raised and never lowered") func raise() throws {
        #expect(DescriptorLimit.current.soft > 0)
        #expect(DescriptorLimit.current.soft <= DescriptorLimit.current.hard)
        try expectScenario("raise-limit")
    }

    @Test("are counted below a number, gaps between them or not") func count() throws {
        #expect(Descriptors.openCount(below: 0) == 0 && Descriptors.openCount(below: -1) == 0)
        #expect(Descriptors.openCount(below: 3) == 3)
        #expect(Descriptors.openCount(below: 4096) >= 3)
    }

    @Test("are closed from a number on") func closeAll() throws {
        try expectScenario("close-all")
    }

    @Test("a read waits for what comes even if the descriptor is non-blocking") func nonBlocking() throws {
        try withLoop { loop in
            let (ours, theirs) = socketPair()
            // The stream makes its own end non-blocking.
            let reader = try PipeStream(takingOwnershipOf: ours, on: loop)
            let writer = try PipeStream(takingOwnershipOf: theirs, on: loop)
            var text = ""
            try loop.queueWork {
                (try? Descriptors.read(from: ours)) ?? []
            } completion: { bytes in
                text = String(decoding: bytes, as: UTF8.self)
                reader.close()
                writer.close()
            }
            // The read has most likely found no bytes by then.
            let timer = TimerHandle(on: loop)
            timer.start(after: .milliseconds(50)) { timer in
                timer.close()
                writer.write(Array("late".utf8))
            }
            loop.run()
            #expect(text == "late")
        }
    }

    @Test("a write goes on until all is written even if the descriptor is non-blocking and the reader slow")
    func nonBlockingWrite() throws {
        try withLoop { loop in
            let (ours, theirs) = socketPair()
            let reader = try PipeStream(takingOwnershipOf: ours, on: loop)
            let writer = try PipeStream(takingOwnershipOf: theirs, on: loop)
            let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            var read: [UInt8] = []
            try reader.readStart(
                onBytes: { _, bytes in bytes.withUnsafeBytes { read += $0 } }, onEnd: { stream, _ in stream.close() })
            try loop.queueWork { () -> UVError? in
                do throws(UVError) { try Descriptors.write(bytes, to: theirs) } catch { return error }
                return nil
            } completion: { error in
                #expect(error == nil)
                writer.close()
            }
            loop.run()
            #expect(read == bytes)
        }
    }

    @Test("a text for a standard error that nobody reads is lost, and makes nobody wait for ever")
    func fullStandardError() throws {
        try expectScenario("full-standard-error")
    }

    @Test("a write to a full disk is an error") func fullDisk() throws {
        let full = open("/dev/full", O_WRONLY)
        defer { close(full) }
        #expect(throws: UVError.noSpace) { try Descriptors.write([1], to: full) }
        #expect(throws: UVError.badDescriptor) { try Descriptors.write([1], to: 1_000_000) }
    }
}
