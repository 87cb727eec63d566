import TestSupport
import Testing
import UVLoop

@Suite("A handle") struct HandleTests {
    @Test("that is closed twice calls every completion once, and never inside the call") func closesTwice() throws {
        try withLoop { loop in
            let timer = try TimerHandle(on: loop)
            var order: [Int] = []
            timer.close { order.append(1) }
            timer.close { order.append(2) }
            timer.close()
            #expect(timer.isClosing)
            #expect(order.isEmpty)
            loop.run()
            #expect(order == [1, 2])
        }
    }

    @Test("that has closed calls a further completion on the next tick") func completionAfterClosed() throws {
        try withLoop { loop in
            let timer = try TimerHandle(on: loop)
            var order: [Int] = []
            timer.close { timer.close { order.append(2) } }
            loop.run()
            timer.close { order.append(3) }
            #expect(order == [2])
            loop.run()
            #expect(order == [2, 3])
        }
    }

    @Test("that has closed may be closed once more after its loop") func closeAfterLoop() throws {
        let loop = try Loop()
        let timer = try TimerHandle(on: loop)
        timer.close()
        loop.run()
        try loop.close()
        timer.close()
        #expect(timer.isClosing)
    }

    @Test("keeps itself alive until it has closed, and is released then, with all it captured") func lifetime() throws {
        final class Token {}
        weak var weakToken: Token?
        var hasExited = false
        let loop = try Loop()
        var weakHandles: [() -> Handle?] = []
        func remember<Kind: Handle>(_ handle: Kind) {
            weak let weakHandle = handle
            weakHandles.append { weakHandle }
        }
        try {
            let token = Token()
            weakToken = token
            // Every closure captures its own handle: a cycle that the close breaks.
            let timer = try TimerHandle(on: loop)
            timer.start(after: .seconds(3600), repeating: .seconds(1)) { _ in _ = (token, timer) }
            remember(timer)
            let idle = try IdleHandle(on: loop)
            idle.start { _ in _ = (token, idle) }
            remember(idle)
            let prepare = try PrepareHandle(on: loop)
            prepare.start { _ in _ = (token, prepare) }
            remember(prepare)
            let check = try CheckHandle(on: loop)
            check.start { _ in _ = (token, check) }
            remember(check)
            let signal = try SignalHandle(on: loop)
            try signal.start(.continue) { _, _ in _ = (token, signal) }
            remember(signal)
            let (one, other) = socketPair()
            let stream = try PipeStream(takingOwnershipOf: one, on: loop)
            try stream.readStart(onBytes: { _, _ in _ = (token, stream) }, onEnd: { _, _ in _ = (token, stream) })
            stream.onDrain = { _ in _ = (token, stream) }
            stream.write([UInt8](repeating: 0, count: 1 << 20)) { _ in _ = (token, stream) }
            stream.shutdown { _ in _ = (token, stream) }
            remember(stream)
            let peer = try PipeStream(takingOwnershipOf: other, on: loop)
            remember(peer)
            try withTemporaryDirectory { directory in
                let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
                try listener.listen { _, _ in _ = (token, listener) }
                remember(listener)
                let connecting = try PipeStream(connectingTo: directory + "/s", on: loop) { _, _ in _ = token }
                remember(connecting)
            }
            let child = try ChildProcess(.init(executable: "sleep", arguments: ["1000"]), on: loop) { _, _ in
                hasExited = token === token
            }
            try child.kill()
        }()
        loop.run(.noWait)
        #expect(weakHandles.allSatisfy { $0() != nil })
        #expect(weakToken != nil)
        try run(loop) { hasExited }
        loop.closeHandles()
        while loop.run() {}
        #expect(weakHandles.allSatisfy { $0() == nil })
        #expect(weakToken == nil)
        try loop.close()
    }

    @Test("keeps the loop alive while it closes, even when it is not referenced") func closingKeepsAlive() throws {
        try withLoop { loop in
            let timer = try TimerHandle(on: loop)
            timer.unref()
            var isClosed = false
            timer.close { isClosed = true }
            loop.run()
            #expect(isClosed)
        }
    }

    @Test("may be referenced, stopped and asked after its close") func afterClose() throws {
        try withLoop { loop in
            let timer = try TimerHandle(on: loop)
            timer.close()
            loop.run()
            timer.unref()
            timer.ref()
            timer.stop()
            #expect(!timer.isActive)
            #expect(timer.dueIn >= .zero)
            #expect(!loop.isAlive)
        }
    }
}
