import Synchronization
import TestSupport
import Testing

@testable import UVLoop

@Suite("What a tail promises") struct FileTailRandomTests {
    /// The seeds; `UVLOOP_TAIL_SEEDS` gives their number.
    private static let seeds = 1...(ProcessEnvironment.current["UVLOOP_TAIL_SEEDS"].flatMap { UInt64($0) } ?? 4)

    @Test("holds between any two steps of a writer", arguments: seeds) func stepByStep(seed: UInt64) throws {
        try withTemporaryDirectory { directory in
            var generator = SeededGenerator(seed: seed)
            var writer = try FollowedWriter(directory + "/f", seed: seed)
            var judge = FollowedJudge()
            var place: TailPlace?
            func look() -> Bool {
                let limit = [100, 5000, 65536][Int.random(in: 0..<3, using: &generator)]
                let look = TailLook(at: writer.path, from: place, limit: limit)
                place = look.place
                switch look.found {
                case .bytes(let bytes): judge.take(bytes)
                case .cut: judge.wasCut()
                case .opened: judge.opened(place!.identity)
                case .end, .missing: return false
                case .unusable(let error): Issue.record(error)
                }
                return true
            }
            for _ in 0..<150 {
                for _ in 0..<Int.random(in: 0...2, using: &generator) { try writer.step() }
                for _ in 0..<Int.random(in: 0...3, using: &generator) { _ = look() }
            }
            while look() {}
            #expect(judge.missing(writer).isEmpty)
            #expect(judge.cuts > 1 && judge.opened.count > 1 && judge.lineCount > 500, "it was a test")
        }
    }

    @Test("holds beside a writer on another thread", arguments: seeds) func besideWriter(seed: UInt64) throws {
        try withTemporaryDirectory { directory in
            let thread = try LoopThread(name: "writer")
            defer { thread.shutdown() }
            let writer = Shared(try FollowedWriter(directory + "/f", seed: seed))
            try withLoop { loop in
                var generator = SeededGenerator(seed: seed)
                var judge = FollowedJudge()
                let tail = FileTail(
                    directory + "/f", fallbackInterval: .milliseconds(1), alwaysPolls: seed % 4 == 0, on: loop)
                try tail.start(
                    from: .start,
                    onBytes: { _, span in judge.take(span.withUnsafeBytes { Array($0) }) },
                    onEvent: { _, event in
                        switch event {
                        case .opened(let identity): judge.opened(identity)
                        case .cut: judge.wasCut()
                        case .missing, .polling: break
                        case .unusable(let error): Issue.record(error)
                        }
                    })
                for _ in 0..<40 {
                    let steps = Int.random(in: 1...25, using: &generator)
                    writer.begin(steps, on: thread)
                    if Bool.random(using: &generator) { tail.pause() }
                    try run(loop) { writer.isDone }
                    tail.resume()
                    // Every other time the tail may catch up, so that some lines are read before they are cut away.
                    if Bool.random(using: &generator) { try run(loop) { judge.isComplete(writer.value) } }
                }
                try run(loop) { judge.isComplete(writer.value) }
                #expect(judge.missing(writer.value).isEmpty)
                #expect(judge.cuts > 1 && judge.opened.count > 1 && judge.lineCount > 500, "it was a test")
                tail.close()
            }
        }
    }

    /// A writer whose steps are done on another thread; read while no step is under way.
    private final class Shared: @unchecked Sendable {
        private(set) var value: FollowedWriter
        private let done = Atomic(true)

        init(_ value: FollowedWriter) { self.value = value }

        var isDone: Bool { done.load(ordering: .acquiring) }

        func begin(_ steps: Int, on thread: LoopThread) {
            done.store(false, ordering: .relaxed)
            thread.submit { [self] _ in
                for _ in 0..<steps { expectNoError { try value.step() } }
                done.store(true, ordering: .releasing)
            }
        }
    }
}
