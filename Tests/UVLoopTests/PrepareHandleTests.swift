import TestSupport
import Testing
import UVLoop

@Suite("Prepare callbacks") struct PrepareHandleTests {
    @Test("run once per tick until stopped, and can be started again") func ticks() throws {
        try withLoop { loop in
            let pace = try IdleHandle(on: loop)
            pace.start { _ in }
            let watcher = try PrepareHandle(on: loop)
            var count = 0
            watcher.start { _ in count += 1 }
            for _ in 0..<3 { loop.run(.noWait) }
            #expect(count == 3)
            watcher.stop()
            loop.run(.noWait)
            #expect(count == 3)
            watcher.start { _ in count += 10 }
            // In place of the former one.
            watcher.start { _ in count += 100 }
            loop.run(.noWait)
            #expect(count == 103)
            watcher.close()
            pace.close()
        }
    }

    @Test("may stop, restart and close their handle") func reentrancy() throws {
        try withLoop { loop in
            let pace = try IdleHandle(on: loop)
            pace.start { _ in }
            let watcher = try PrepareHandle(on: loop)
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
}
