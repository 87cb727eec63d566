import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

/// Sessions that outlive their manager.
@Suite struct SessionClosingTests {
    @Test("a session whose manager is gone refuses everything", arguments: [true, false])
    func managerGone(isClosed: Bool) throws {
        try withWorld { world throws in
            _ = try world.spawn("s1")
            weak var released: KeeperManager?
            let session = try {
                let manager = try world.unownedManager()
                released = manager
                let session = manager.session("s1")
                _ = try world.result { session.write("x", completion: $0) }
                _ = try world.result { session.status($0) }.get()
                if isClosed { manager.close() }
                return session
            }()
            #expect(released == nil)
            #expect(try world.result { session.status($0) }.failure == .closed)
            #expect(try world.result { session.label(["a": "b"], $0) }.failure == .closed)
            #expect(try world.result { session.signal(.interrupt, $0) }.failure == .closed)
            #expect(try world.result { session.endInput($0) }.failure == .closed)
            #expect(
                try world.result { session.resumeWriting(epoch: nil, last: 0, completion: $0) }.failure == .closed)
            #expect(try world.result { session.write("y", completion: $0) } == .refused(.closed))
            #expect(try world.result { done in session.stop { result, _ in done(result) } } == .closed)
            session.onEnd = { _ in Issue.record("the keeper was watched") }
            #expect(session.record?.exit == nil && session.record != nil)
            // What the session has open goes with it.
            session.close()
            let stopped: KeeperManager.StopResult = try world.result { world.manager.stop("s1", completion: $0) }
            #expect(stopped == .stopped)
            #expect(session.record?.exit?.reason == .stopped)
        }
    }

    @Test("a read of a closed manager's session ends as closed, and leaves nothing open", arguments: [true, false])
    func readOfClosed(isReleased: Bool) throws {
        try withWorld { world throws in
            _ = try world.spawnKept("echo x; exec cat")
            var manager: KeeperManager? = try world.unownedManager()
            let session = try #require(manager?.session("s1"))
            manager?.close()
            if isReleased { manager = nil }
            var events: [OutputEvent] = []
            session.read(from: .start) { _, _, _ in
                Issue.record("output was read")
            } onEvent: {
                events.append($0)
            }
            let canceled = session.read(from: .start) { _, _, _ in
            } onEvent: { _ in
                Issue.record("it was canceled")
            }
            canceled.cancel()
            #expect(events.isEmpty)
            try world.eventually { !events.isEmpty }
            guard case .failed(.closed) = events[0] else {
                Issue.record("\(events)")
                return
            }
            #expect(session.isIdle)
            try world.pass(.milliseconds(1))
            #expect(events.count == 1 && !world.loop.openHandles.contains { $0 is PipeStream && !$0.isClosing })
        }
    }

    @Test(
        "a stop under way ends although the manager is released, as closed if that was closed first",
        arguments: [true, false])
    func stopUnderWay(isClosed: Bool) throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            try Processes.send(.stop, to: keeper.pid)
            var end: (result: KeeperManager.StopResult, exit: SessionExit?)?
            weak var released: KeeperManager?
            try {
                let manager = try world.unownedManager()
                released = manager
                manager.session("s1").stop { end = ($0, $1) }
                if isClosed { manager.close() }
            }()
            #expect(end == nil)
            if isClosed { try world.eventually { end != nil } }
            #expect(released == nil)
            try Processes.send(.continue, to: keeper.pid)
            try world.eventually { end != nil }
            #expect(end?.result == (isClosed ? .closed : .stopped))
            #expect(end?.exit?.reason == (isClosed ? nil : .stopped))
            try world.eventually { !keeper.isRunning }
            // A manager that was not closed has left its timers.
            if !isClosed { world.loop.closeHandles() }
        }
    }

    @Test("an end that is to be told is told nobody if the session is gone")
    func endOfNobody() throws {
        try withWorld { world throws in
            try {
                let manager = try world.unownedManager()
                // The wait for the end of no process at all ends on the next tick.
                manager.session("nobody").onEnd = { _ in Issue.record("it was told") }
            }()
            try world.pass(.milliseconds(1))
            world.loop.closeHandles()
        }
    }
}

extension Result {
    /// The error; nil if it is a success.
    fileprivate var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
