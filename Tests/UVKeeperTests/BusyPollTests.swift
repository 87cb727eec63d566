import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

/// Polling for acknowledgements without sleeping: a loop that would not sleep has the timeout zero.
@Suite struct BusyPollTests {
    /// Runs `body` with a session whose keeper is frozen and has a line.
    private func withLineAwaited(
        _ time: Duration, _ body: (World, SpawnedKeeper, () -> WriteOutcome?) throws -> Void,
    ) throws {
        try withWorld(options: { $0.busyPoll = time }) { world throws in
            let keeper = try world.spawn("s1")
            #expect(try world.outcome("first", "s1") == .written)
            try Processes.send(.stop, to: keeper.pid)
            var outcome: WriteOutcome?
            let session = world.manager.session("s1")
            session.write("second", deadline: .untilSessionEnds) { outcome = $0 }
            try world.eventually { !session.lines.lines.isEmpty(.sent) }
            try body(world, keeper) { outcome }
        }
    }

    @Test("the loop does not sleep while an acknowledgement is awaited, and sleeps when it has come")
    func untilAcknowledged() throws {
        try withLineAwaited(.seconds(3600)) { world, keeper, outcome in
            for _ in 0..<1000 {
                world.loop.run(.once)
                #expect(world.loop.backendTimeout == .zero)
            }
            try Processes.send(.continue, to: keeper.pid)
            try world.eventually { outcome() != nil }
            #expect(outcome() == .written)
            try world.eventually { world.loop.backendTimeout != .zero }
        }
    }

    @Test("the loop sleeps when the time is over, or the connection")
    func bounded() throws {
        try withLineAwaited(.milliseconds(1)) { world, _, outcome in
            try world.eventually { world.loop.backendTimeout != .zero }
            #expect(outcome() == nil)
        }
        try withLineAwaited(.seconds(3600)) { world, keeper, outcome in
            try Processes.send(.kill, to: keeper.pid)
            try world.eventually { outcome() != nil }
            try world.eventually { world.loop.backendTimeout != .zero }
        }
    }

    @Test("the loop sleeps while an acknowledgement is awaited unless told otherwise")
    func off() throws {
        try withLineAwaited(.zero) { world, _, outcome in
            try world.eventually { world.loop.backendTimeout != .zero }
            #expect(outcome() == nil)
        }
    }
}
