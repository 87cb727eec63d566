import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

/// Reads that are paused, resumed and canceled inside their callbacks and between them.
@Suite struct OutputReadPausingTests {
    /// The calls that every callback of a read makes.
    enum Calls: CaseIterable {
        case resume, pauseAndResume, twice, resumeLater, resumeTwiceLater, resumeBeforeLater, later, overTicks

        func make(to read: OutputRead, on loop: Loop) {
            switch self {
            case .resume: read.resume()
            case .pauseAndResume:
                read.pause()
                read.resume()
            case .twice:
                for _ in 0..<2 {
                    read.pause()
                    read.resume()
                }
            case .resumeLater:
                read.pause()
                loop.onNextTick { read.resume() }
            case .resumeTwiceLater:
                read.pause()
                loop.onNextTick {
                    read.resume()
                    read.pause()
                    read.resume()
                    read.resume()
                }
            case .resumeBeforeLater:
                read.pause()
                read.resume()
                read.pause()
                loop.onNextTick { read.resume() }
            case .later:
                loop.onNextTick {
                    read.pause()
                    read.resume()
                }
            case .overTicks:
                loop.onNextTick {
                    read.pause()
                    loop.onNextTick { read.resume() }
                }
            }
        }
    }

    private static let count = 588_895
    private static let command = "seq 1 100000; exec sleep 1000"
    private static let text = (1...100_000).map { "\($0)\n" }.joined()

    /// Starts a session, and waits until its keeper has all output.
    private func start(_ world: World) throws -> SpawnedKeeper {
        let keeper = try world.spawnKept(OutputReadPausingTests.command)
        let session = world.manager.session("s1")
        try world.eventually {
            try world.result { session.status($0) }.get().output?.out.end == UInt64(OutputReadPausingTests.count)
        }
        return keeper
    }

    private func startEnded(_ world: World) throws {
        let keeper = try start(world)
        _ = try world.result { (done: @escaping (KeeperManager.StopResult) -> Void) in
            world.manager.stop("s1", ladder: .now, completion: done)
        }
        try world.eventually { !keeper.isRunning }
    }

    @Test("each byte comes once, however a read is paused and resumed", arguments: Calls.allCases)
    func comesOnce(calls: Calls) throws {
        try withWorld { world throws in
            let session = world.manager.session("s1")
            let (live, told) = (ToldOutput(), ToldOutput())
            for read in [live, told] { read.onTold = { calls.make(to: $0, on: world.loop) } }
            let keeper = try start(world)
            live.start(session, from: .start, follows: false)
            try world.eventually { live.last != nil }
            #expect(live.text == OutputReadPausingTests.text)
            world.own(try world.childPID("s1"))
            told.start(session, from: .start)
            // The rest is read from the files.
            try world.eventually { !told.bytes.isEmpty }
            try Processes.send(.kill, to: keeper.pid)
            try world.eventually { told.last != nil }
            #expect(told.text == OutputReadPausingTests.text)
            guard case .ended(nil) = told.last else {
                Issue.record("\(String(describing: told.last))")
                return
            }
            let ended = ToldOutput()
            ended.onTold = told.onTold
            ended.start(session, from: .start)
            try world.eventually { ended.last != nil }
            #expect(ended.text == OutputReadPausingTests.text)
        }
    }

    @Test("each gap is told once, however a read of an ended session is paused and resumed", arguments: Calls.allCases)
    func tellsGapsOnce(calls: Calls) throws {
        try withWorld { world throws in
            try startEnded(world)
            let segments = try Files.names(inDirectory: world.paths.directory).filter { $0.contains(".out.") }.sorted()
            #expect(segments.count >= 6)
            for (index, name) in segments.enumerated() where index % 3 == 1 {
                try Files.unlink("\(world.paths.directory)/\(name)")
            }
            let told = ToldOutput()
            var position: UInt64 = 0
            told.onTold = { read in
                calls.make(to: read, on: world.loop)
                #expect(read.position[.out]! >= position)
                position = read.position[.out]!
            }
            let epoch = try #require(world.manager.session("s1").record?.epoch)
            told.start(world.manager.session("s1"), from: .offsets([.out: 0], epoch: epoch))
            try world.eventually { told.last != nil }
            #expect(zip(told.gaps, told.gaps.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound })
            let lost = told.gaps.reduce(0) { $0 + $1.count }
            #expect(lost > 0 && lost + (told.bytes[.out]?.count ?? 0) == OutputReadPausingTests.count)
        }
    }

    @Test(
        "a read tells nothing within a call, while it is paused, or once it was canceled",
        arguments: [Calls.resume, .pauseAndResume, .twice])
    func isQuiet(calls: Calls) throws {
        try withWorld { world throws in
            try startEnded(world)
            let told = ToldOutput()
            var count = 0
            told.onTold = { read in
                count += 1
                calls.make(to: read, on: world.loop)
                read.pause()
            }
            told.start(world.manager.session("s1"), from: .start)
            let read = try #require(told.read)
            for expected in 1...3 {
                try world.eventually { count > 0 }
                #expect(count == expected)
                read.resume()
                #expect(count == expected)
                // The next piece is being read.
                try world.result { done in world.loop.onNextTick { done(()) } }
                read.pause()
                try world.run(for: .milliseconds(20))
                #expect(count == expected)
                read.resume()
                try world.eventually { count > expected }
            }
            read.resume()
            read.cancel()
            try world.run(for: .milliseconds(20))
            #expect(count == 4 && told.last == nil)
        }
    }
}
