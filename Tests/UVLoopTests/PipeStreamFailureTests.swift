import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A stream whose peer is gone") struct PipeStreamFailureTests {
    // Tests wait until the stream is broken: a child that another test starts has a copy of the peer until its exec.
    private static let gone: Set<UVError?> = [.brokenPipe, .connectionReset]

    @Test("fails every write, each once, on a later tick") func failsWrites() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            other.close()
            try run(loop) { one.isBroken }
            var order: [String] = []
            var errors: Set<UVError?> = []
            for number in 0..<3 {
                let isBelow = one.write([1]) { error in
                    errors.insert(error)
                    order.append("\(number)")
                }
                #expect(!isBelow)
            }
            one.write([]) { error in
                errors.insert(error)
                order.append("empty")
            }
            one.shutdown { error in
                errors.insert(error)
                order.append("shutdown")
            }
            #expect(order.isEmpty)
            try run(loop) { order.count == 5 }
            #expect(order == ["0", "1", "2", "empty", "shutdown"])
            #expect(errors.isSubset(of: Self.gone))
            one.close()
        }
    }

    @Test("never completes a shutdown inside the call, after a failed write either") func shutdownAfterFailure() throws
    {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            other.close()
            try run(loop) { one.isBroken }
            var failures = 0
            one.write([1]) { _ in failures += 1 }
            try run(loop) { failures == 1 }
            var completions = 0
            one.shutdown { _ in completions += 1 }
            #expect(completions == 0)
            one.shutdown { _ in completions += 1 }
            try run(loop) { completions == 2 }
            one.close()
        }
    }

    @Test("fails what was queued when the peer goes, in order, and does not drain") func failsQueue() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var order: [Int] = []
            one.onDrain = { _ in Issue.record("drained") }
            for number in 0..<4 {
                one.write([UInt8](repeating: 0, count: 1 << 20)) { error in
                    #expect(Self.gone.contains(error))
                    order.append(number)
                    // A write after the failure fails too, later.
                    if number == 3 { one.write([1]) { _ in order.append(4) } }
                }
            }
            loop.run(.noWait)
            other.close()
            try run(loop) { order.count == 5 }
            #expect(order == [0, 1, 2, 3, 4])
            #expect(one.queuedByteCount == 0)
            one.close()
        }
    }

    @Test("tells at once on a direct write, which queues nothing") func tryWrite() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            let bytes = [UInt8](repeating: 1, count: 8 << 20)
            let taken = try one.tryWrite(bytes.span.bytes)
            #expect(taken > 0 && taken < bytes.count)
            #expect(try one.tryWrite(bytes.span.bytes) == 0)
            #expect(one.queuedByteCount == 0)
            #expect(Int(one.acceptedByteCount) == taken)
            other.close()
            try run(loop) { one.isBroken }
            #expect(throws: UVError.self) { _ = try one.tryWrite(bytes.span.bytes) }
            one.close()
        }
    }

    @Test("may be closed in the completion of a failed write") func closesInCompletion() throws {
        try withLoop { loop in
            let (one, other) = try makeStreamPair(on: loop)
            var order: [String] = []
            for number in 0..<3 {
                one.write([UInt8](repeating: 0, count: 1 << 20)) { error in
                    #expect(error != nil)
                    order.append("\(number)")
                    one.close()
                }
            }
            one.shutdown { _ in order.append("shutdown") }
            other.close()
            try run(loop) { order.count == 4 }
            #expect(order == ["0", "1", "2", "shutdown"])
        }
    }
}
