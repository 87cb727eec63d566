import TestSupport
import Testing
import UVLoop

@Suite("Descriptors") struct DescriptorsTests {
    @Test("have a limit that is raised and never lowered") func raise() throws {
        #expect(Descriptors.limit.soft > 0)
        #expect(Descriptors.limit.soft <= Descriptors.limit.hard)
        try expectScenario("raise-limit")
    }

    @Test("are closed from a number on") func closeAll() throws {
        try expectScenario("close-all")
    }

    @Test("a read waits for what comes even if the descriptor is non-blocking") func nonBlocking() throws {
        try withLoop { loop in
            let (ours, theirs) = socketPair()
            // A stream makes its own end non-blocking.
            let reader = try PipeStream(takingOwnershipOf: ours, on: loop)
            let writer = try PipeStream(takingOwnershipOf: theirs, on: loop)
            var text = ""
            loop.queueWork {
                (try? Descriptors.read(from: ours)) ?? []
            } completion: { bytes in
                text = String(decoding: bytes, as: UTF8.self)
                reader.close()
                writer.close()
            }
            // Most likely the read has found nothing by then.
            let timer = try TimerHandle(on: loop)
            timer.start(after: .milliseconds(50)) { timer in
                timer.close()
                writer.write(Array("late".utf8))
            }
            loop.run()
            #expect(text == "late")
        }
    }
}
