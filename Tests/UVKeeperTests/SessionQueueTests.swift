import TestSupport
import Testing

@testable import UVKeeper

/// Closing in every state; what a queue does while it is open is in KeeperManager+WritingTests and FrozenKeeperTests.
@Suite struct SessionQueueTests {
    @Test("closed between two attempts, lines are refused")
    func closedWhilePausing() throws {
        try withWorld { world throws in
            var outcomes: [WriteOutcome] = []
            for _ in 0..<2 { world.manager.writeRPC("x", to: "s1") { outcomes.append($0) } }
            // The first attempt fails in the tick after the call.
            for _ in 0..<2 { world.loop.run(.noWait) }
            try close(world, is: [.refused(.closed), .refused(.closed)]) { outcomes }
        }
    }

    @Test("closed while it connects, lines are refused")
    func closedWhileConnecting() throws {
        try withWorld { world throws in
            let listener = try Listener(.confirm, at: world.path("x"), in: world)
            var outcomes: [WriteOutcome] = []
            world.manager.writeRPC("x", toSocketAt: listener.path) { outcomes.append($0) }
            try close(world, is: [.refused(.closed)]) { outcomes }
            #expect(listener.bytes.isEmpty)
        }
    }

    @Test("closed before a refused path was reported, lines are refused once")
    func closedBeforeConnecting() throws {
        try withWorld { world throws in
            var outcomes: [WriteOutcome] = []
            world.manager.writeRPC("x", toSocketAt: "") { outcomes.append($0) }
            try close(world, is: [.refused(.closed)]) { outcomes }
        }
    }

    @Test("closed while it delivers, lines sent are unknown and those behind them refused")
    func closedWhileDelivering() throws {
        try withWorld { world throws in
            let listener = try Listener(.hold, at: world.path("x"), in: world)
            var outcomes: [WriteOutcome] = []
            let add = { world.manager.writeRPC("x", toSocketAt: listener.path) { outcomes.append($0) } }
            add()
            try world.eventually { listener.connections == 1 }
            add()
            try close(world, is: [.unknown(.closed), .refused(.closed)]) { outcomes }
        }
    }

    @Test("closed while it waits for an earlier connection, lines are refused")
    func closedWhileBlocked() throws {
        try withWorld { world throws in
            let listener = try Listener(.hold, at: world.path("x"), in: world)
            var outcomes: [WriteOutcome] = []
            let add = { world.manager.writeRPC("x", toSocketAt: listener.path) { outcomes.append($0) } }
            add()
            try world.eventually { outcomes.count == 1 }
            add()
            world.loop.run(.noWait)
            try close(world, is: [.sent, .refused(.closed)]) { outcomes }
        }
    }

    @Test("closed when idle, nothing happens")
    func closedWhileIdle() throws {
        try withTimelyWorld { world throws in
            let listener = try Listener(.confirm, at: world.path("x"), in: world)
            var outcomes: [WriteOutcome] = []
            outcomes.append(try world.outcome("x", at: listener.path))
            try close(world, is: [.sent]) { outcomes }
        }
    }

    @Test("after close a line is refused")
    func afterClose() throws {
        try withWorld { world throws in
            world.manager.close()
            #expect(try world.outcome("x", "s1") == .refused(.closed))
        }
    }

    @Test("a manager is released when it has closed, in whatever state its queues were")
    func released() throws {
        try withWorld { world throws in
            weak var released: KeeperManager?
            try {
                let manager = try world.unownedManager()
                released = manager
                let held = try Listener(.hold, at: world.path("x"), in: world)
                var count = 0
                for path in [held.path, world.path("missing"), ""] {
                    manager.writeRPC("x", toSocketAt: path) { _ in count += 1 }
                }
                manager.discoverExistingKeepers { _ in count += 1 }
                try world.eventually { held.connections == 1 }
                manager.close()
                manager.close()
                try world.eventually { count == 4 }
            }()
            try world.eventually { released == nil }
        }
    }

    private func close(_ world: World, is expected: [WriteOutcome], _ outcomes: () -> [WriteOutcome]) throws {
        let before = outcomes().count
        world.manager.close()
        #expect(outcomes().count == before, "completed inside close()")
        try world.eventually { outcomes().count >= expected.count }
        try world.run(for: .milliseconds(10))
        #expect(outcomes() == expected)
    }

    enum Ending: CaseIterable { case sent, reset, refused, timedOut, configuration }

    @Test("closing from within a completion completes every line once", arguments: Ending.allCases)
    func closedFromCompletion(_ ending: Ending) throws {
        try withTimelyWorld { world throws in
            var path = world.path("x")
            let behaviour: Listener.Behaviour? =
                switch ending {
                case .sent: .confirm
                case .reset: .reset
                case .timedOut: .hold
                case .refused, .configuration: nil
                }
            if let behaviour { _ = try Listener(behaviour, at: path, in: world) }
            if ending == .configuration { path = "" }
            var counts = [Int](repeating: 0, count: 4)
            var outcomes = [WriteOutcome?](repeating: nil, count: 4)
            for index in counts.indices {
                let line = [UInt8](repeating: 65, count: 60_000)
                world.manager.writeRPC(line, toSocketAt: path) { outcome in
                    counts[index] += 1
                    outcomes[index] = outcome
                    world.manager.close()
                }
            }
            try world.eventually { counts.allSatisfy { $0 > 0 } }
            try world.run(for: .milliseconds(10))
            #expect(counts == [1, 1, 1, 1], "\(outcomes)")
            if ending == .sent { #expect(outcomes[0] == .sent) }
        }
    }
}
