import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A handle") struct HandleTests {
    @Test("that is closed twice calls every completion once, and never inside the call") func closesTwice() throws {
        try withLoop { loop in
            let timer = TimerHandle(on: loop)
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
            let timer = TimerHandle(on: loop)
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
        let timer = TimerHandle(on: loop)
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
            // Each closure captures its own handle: a cycle that the close breaks.
            let timer = TimerHandle(on: loop)
            timer.start(after: .seconds(3600), repeating: .seconds(1)) { _ in _ = (token, timer) }
            remember(timer)
            let idle = IdleHandle(on: loop)
            idle.start { _ in _ = (token, idle) }
            remember(idle)
            let prepare = PrepareHandle(on: loop)
            prepare.start { _ in _ = (token, prepare) }
            remember(prepare)
            let check = CheckHandle(on: loop)
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
            let timer = TimerHandle(on: loop)
            timer.unref()
            var isClosed = false
            timer.close { isClosed = true }
            loop.run()
            #expect(isClosed)
        }
    }

    @Test("may be referenced, stopped and asked after its close") func afterClose() throws {
        try withLoop { loop in
            let timer = TimerHandle(on: loop)
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

    @Test("that its loop closes tells its owner once, as its last callback") func toldOfForeignClose() throws {
        try withLoop { loop in
            var order: [String] = []
            let timer = TimerHandle(on: loop)
            timer.onCanceled = { order.append("canceled") }
            loop.closeHandles()
            loop.closeHandles()
            #expect(timer.isClosing)
            #expect(order.isEmpty)
            loop.run()
            #expect(order == ["canceled"])
            #expect(timer.onCanceled == nil)
        }
    }

    @Test("that its owner closes, first or too, tells nobody but those who asked", arguments: [true, false])
    func ownCloseIsNotTold(_ isFirst: Bool) throws {
        try withLoop { loop in
            var order: [String] = []
            let timer = TimerHandle(on: loop)
            timer.onCanceled = { order.append("canceled") }
            if !isFirst { loop.closeHandles() }
            timer.close { order.append("closed") }
            loop.closeHandles()
            loop.run()
            #expect(order == ["closed"])
        }
    }

    @Test("that its loop has closed can be started and stopped without effect") func usedAfterForeignClose() throws {
        try withLoop { loop in
            let timer = TimerHandle(on: loop)
            let idle = IdleHandle(on: loop)
            let check = CheckHandle(on: loop)
            let prepare = PrepareHandle(on: loop)
            let signal = try SignalHandle(on: loop)
            let (one, other) = socketPair()
            defer { for descriptor in [one, other] { Glibc.close(descriptor) } }
            let poll = try PollHandle(descriptor: one, on: loop)
            let use = {
                timer.start(after: .zero) { _ in Issue.record("fired") }
                idle.start { _ in Issue.record("called") }
                check.start { _ in Issue.record("called") }
                prepare.start { _ in Issue.record("called") }
                #expect(throws: UVError.canceled) { try signal.start(.continue) { _, _ in } }
                #expect(throws: UVError.canceled) { try poll.start(.readable) { _, _, _ in } }
                #expect(throws: UVError.canceled) { try timer.again() }
                for stop in [timer.stop, idle.stop, check.stop, prepare.stop, signal.stop, poll.stop] { stop() }
            }
            loop.closeHandles()
            use()
            loop.run()
            use()
            #expect(!loop.isAlive)
        }
    }

    @Test("touches nothing of its loop once that has closed") func afterLoop() throws {
        let loop = try Loop()
        let timer = TimerHandle(on: loop)
        timer.start(after: .seconds(3600)) { _ in }
        let repeating = TimerHandle(on: loop)
        repeating.start(after: .seconds(3600), repeating: .seconds(1)) { _ in }
        loop.closeHandles()
        loop.run()
        try loop.close()
        #expect(loop.isClosed)
        for timer in [timer, repeating] {
            #expect(throws: UVError.canceled) { try timer.again() }
            #expect(timer.dueIn == .zero)
            timer.start(after: .zero) { _ in }
            timer.repeatInterval = .seconds(2)
            timer.ref()
            timer.unref()
            timer.stop()
            timer.close()
            #expect(!timer.isActive)
        }
    }
}
