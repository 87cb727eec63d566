import TestSupport
import Testing
import UVLoop

@Suite("Loop watchers") struct LoopWatcherTests {
    enum Kind: CaseIterable {
        case prepare
        case check
        case idle

        func watcher(on loop: Loop) -> LoopWatcher {
            switch self {
            case .prepare: PrepareHandle(on: loop)
            case .check: CheckHandle(on: loop)
            case .idle: IdleHandle(on: loop)
            }
        }
    }

    @Test("run once per tick until stopped, and can be started again", arguments: Kind.allCases)
    func ticks(kind: Kind) throws {
        try withLoop { loop in
            let pace = IdleHandle(on: loop)
            pace.start { _ in }
            let watcher = kind.watcher(on: loop)
            var count = 0
            watcher.start { _ in count += 1 }
            for _ in 0..<3 { loop.run(.noWait) }
            #expect(count == 3)
            watcher.stop()
            loop.run(.noWait)
            #expect(count == 3)
            watcher.start { _ in count += 10 }
            // The new callback replaces the former one.
            watcher.start { _ in count += 100 }
            loop.run(.noWait)
            #expect(count == 103)
            watcher.close()
            pace.close()
        }
    }

    @Test("may stop, restart and close their handle", arguments: Kind.allCases)
    func reentrancy(kind: Kind) throws {
        try withLoop { loop in
            let pace = IdleHandle(on: loop)
            pace.start { _ in }
            let watcher = kind.watcher(on: loop)
            var order: [String] = []
            watcher.start { watcher in
                order.append("first")
                watcher.stop()
                watcher.start { watcher in
                    order.append("second")
                    watcher.close { order.append("closed") }
                    pace.close()
                }
            }
            loop.run()
            #expect(order == ["first", "second", "closed"])
        }
    }

    @Test("run in libuv's order: idle, prepare, check") func order() throws {
        try withLoop { loop in
            var order: [Kind] = []
            let watchers = [Kind.check, .prepare, .idle].map { kind in
                let watcher = kind.watcher(on: loop)
                watcher.start { _ in order.append(kind) }
                return watcher
            }
            loop.run(.noWait)
            #expect(order == [.idle, .prepare, .check])
            for watcher in watchers { watcher.close() }
        }
    }
}
