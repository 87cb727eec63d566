import TestSupport
import Testing
import UVLoop

@Suite("A stream closed by another than its owner") struct PipeStreamCancelingTests {
    @Test("ends every write, the writer, the shutdown and the reader, in this order")
    func closedByLoop() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var order: [String] = []
            try one.readStart(onBytes: { _, _ in }, onEnd: { _, error in order.append("end \(error?.name ?? "-")") })
            one.onWriteError = { order.append("writer \($1.name)") }
            one.onCanceled = { order.append("owner") }
            one.write([UInt8](repeating: 0, count: 4 << 20)) { order.append("write \($0?.name ?? "-")") }
            one.shutdown { order.append("shutdown \($0?.name ?? "-")") }
            loop.closeHandles()
            #expect(order.isEmpty)
            loop.run()
            #expect(order == ["write ECANCELED", "writer ECANCELED", "shutdown ECANCELED", "end ECANCELED", "owner"])
            other.close()
        }
    }

    @Test("refuses what comes later, in the same tick and after it") func usedAfterLoopClosed() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var errors: [UVError?] = []
            let use = {
                #expect(!one.write([1]) { errors.append($0) })
                one.shutdown { errors.append($0) }
                #expect(throws: UVError.canceled) { _ = try one.tryWrite([1].span.bytes) }
                #expect(throws: UVError.canceled) { try one.readStart(onBytes: { _, _ in }, onEnd: { _, _ in }) }
                #expect(throws: UVError.canceled) { try one.readResume() }
                one.readStop()
            }
            loop.closeHandles()
            use()
            #expect(errors.isEmpty)
            loop.run()
            #expect(errors == [.canceled, .canceled])
            use()
            loop.run()
            #expect(errors == [.canceled, .canceled, .canceled, .canceled])
            other.close()
        }
    }

    @Test("after a failed connect refuses what comes later, with the connect's error") func usedAfterFailedConnect()
        throws
    {
        try withLoop { loop in
            var errors: [UVError?] = []
            _ = try PipeStream(connectingTo: "/nowhere/s", on: loop) { stream, error in
                #expect(error == .noEntry)
                #expect(!stream.write([1]) { errors.append($0) })
                stream.shutdown { errors.append($0) }
                #expect(throws: UVError.notConnected) { try stream.readStart(onBytes: { _, _ in }, onEnd: { _, _ in }) }
            }
            loop.run()
            #expect(errors == [.noEntry, .noEntry])
        }
    }

    @Test("by its peer may be told to read on, and says that it has ended") func readOnAfterEnd() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            other.close()
            var hasEnded = false
            try one.readStart(
                onBytes: { _, _ in },
                onEnd: { stream, _ in
                    hasEnded = true
                    #expect(throws: UVError.notConnected) { try stream.readResume() }
                    stream.close()
                })
            loop.run()
            #expect(hasEnded)
        }
    }

    @Test("for want of memory still writes what it was writing, and traps nobody") func outOfMemory() throws {
        // By default, a sanitizer's allocator would end the process.
        let options = ["ASAN", "TSAN"].map { "\($0)_OPTIONS=allocator_may_return_null=1" }
        let helper = try siblingExecutable("uvloop-test-helper")
        let result = try runProgram("env", options + [helper, "write-without-memory"])
        #expect(result.status == .exited(code: 0), "\(result.output)")
    }
}
