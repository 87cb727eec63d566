import TestSupport
import Testing
import UVLoop

@testable import KeeperSidecar

/// Below the test process: children of the test, and perhaps of others.
@Suite("Session walk") struct SessionWalkTests {
    private func withChildren(_ count: Int, _ body: (Loop, [ChildProcess]) throws -> Void) throws {
        try withLoop { loop in
            let children = try (0..<count).map { _ in
                try ChildProcess(.init(executable: "sleep", arguments: ["1000"]), on: loop) { _, _ in }
            }
            defer { for child in children { expectNoError { () throws(UVError) in try child.kill(.kill) } } }
            for child in children { child.killWhenCanceled() }
            try body(loop, children)
        }
    }

    @Test("It goes on in later turns of the loop, which serves others meanwhile, and meets everybody")
    func isInParts() throws {
        try withChildren(5) { loop, children in
            var met: Set<Int32> = []
            var visit: ProcessTree.Visit?
            SessionWalk(on: loop, slice: .zero) {
                met.insert($0.pid)
            } completion: {
                visit = $0
            }
            #expect(visit == nil && met.count <= 1, "a part that has no time sees one process")
            var turns = 0
            func count() {
                turns += 1
                if visit == nil { loop.onNextTick { count() } }
            }
            count()
            try run(loop) { visit != nil }
            #expect(met.isSuperset(of: children.map(\.pid)))
            #expect(turns >= children.count)
        }
    }

    @Test("One that is canceled visits nobody more, and tells nothing") func cancels() throws {
        try withChildren(3) { loop, _ in
            var visits = 0
            let walk = SessionWalk(on: loop, slice: .zero) { _ in
                visits += 1
            } completion: { _ in
                Issue.record("it was canceled")
            }
            walk.cancel()
            let before = visits
            var turns = 0
            func count() {
                turns += 1
                if turns < 20 { loop.onNextTick { count() } }
            }
            count()
            try run(loop) { turns == 20 }
            #expect(visits == before)
        }
    }
}
