import TestSupport
import Testing
import UVKeeper
import UVKeeperAsync
import UVLoop

@Suite("A session for tasks") struct KeptSessionTests {
    @Test("lines are written, and answers are read from where they begin") func conversation() async throws {
        try await withKeepers { keepers, directory in
            let session = try await keepers.open("work", ["cat"], in: directory, labels: ["of": "test"])
            let answers = Task {
                var lines: [KeptLine] = []
                for try await line in session.lines(from: .start) {
                    lines.append(line)
                    if lines.count == 100 { break }
                }
                return lines
            }
            for number in 0..<100 { #expect(await session.write("line \(number)") == .written) }
            let lines = try await answers.value
            #expect(lines.map(\.text) == (0..<100).map { "line \($0)" })
            #expect(lines[0].offset == 0 && lines[1].offset == lines[0].end && !lines[0].followsGap)
            let status = try await session.status()
            #expect(status.linesIn == 100 && status.labels == ["of": "test"])
            // A reader that has dealt with some goes on behind them.
            var rest = session.lines(
                from: .offsets([.out: lines[97].end], epoch: status.epoch), follows: false
            ).makeAsyncIterator()
            #expect(try await rest.next()?.text == "line 98")
            #expect(try await rest.next()?.text == "line 99")
            #expect(try await rest.next() == nil)
        }
    }

    @Test("a session that lives is adopted by the next one, which reads what it has missed") func adopted() async throws
    {
        try await withKeepers { keepers, directory in
            let session = try await keepers.open("work", ["cat"], in: directory)
            #expect(await session.write("before") == .written)
            let others = try await Keepers(
                Keepers.Options(sessionsDirectory: keepers.sessionsDirectory, sidecar: [BuiltProducts.sidecar]))
            let events = await others.events()
            for _ in 0..<2 { #expect(try await others.discover().keepers.map(\.session) == ["work"]) }
            let same = try await others.open("work", ["false"], in: directory)
            #expect(await same.write("after") == .written)
            var lines = same.lines(from: .start).makeAsyncIterator()
            #expect(try await lines.next()?.text == "before")
            #expect(try await lines.next()?.text == "after")
            let stopped = await session.stop(.now)
            #expect(stopped.result == .stopped)
            #expect(try await lines.next() == nil)
            #expect(try await same.wait()?.reason == .stopped)
            await others.close()
            var told: [KeeperEvent] = []
            for await event in events { told.append(event) }
            #expect(told.map(\.session) == ["work", "work", "work"])
            guard case .ended(_, let exit?)? = told.last else { return #expect(Bool(false), "\(told)") }
            #expect(exit.reason == .stopped)
            #expect(try await keepers.listEnded().map(\.session) == ["work"])
        }
    }

    @Test("questions are answered by their ids, however many at a time, and the child's own requests are none's answer")
    func requests() async throws {
        // Answers in the reverse order of pairs, and asks something itself in between.
        let server = """
            while read -r one && read -r two; do \
            id() { echo "$1" | sed 's/.*"id": *\\([^,}]*\\).*/\\1/'; }; \
            echo '{"jsonrpc":"2.0","method":"ping","id":1}'; \
            echo "{\\"jsonrpc\\":\\"2.0\\",\\"id\\":$(id "$two"),\\"params\\":{}}"; \
            echo "{\\"jsonrpc\\":\\"2.0\\",\\"id\\":$(id "$two"),\\"result\\":2}"; \
            echo "{\\"jsonrpc\\":\\"2.0\\",\\"id\\":$(id "$one"),\\"result\\":1}"; done
            """
        try await withKeepers { keepers, directory in
            let session = try await keepers.open("mcp", ["sh", "-c", server], in: directory)
            for round in 0..<5 {
                async let one = session.request(#"{"jsonrpc":"2.0","id":\#(10 + round),"method":"a"}"#)
                async let two = session.request(#"{"jsonrpc":"2.0","id":"x\#(round)","method":"b"}"#)
                let answers = try await (one.text, two.text)
                #expect(answers.0.contains(#""id":\#(10 + round)"#))
                #expect(answers.1.contains(#""id":"x\#(round)""#))
            }
            await #expect(throws: RequestError.notARequest) { try await session.request("no JSON") }
        }
    }

    @Test("a question without an answer ends by its time, by its task's cancellation, and with the session")
    func unanswered() async throws {
        try await withKeepers { keepers, directory in
            let session = try await keepers.open("mute", ["sh", "-c", "cat > heard"], in: directory)
            let late = await #expect(throws: RequestError.self) {
                try await session.request(#"{"id":7}"#, within: .milliseconds(50))
            }
            switch late {
            // On a slow machine it has not even left.
            case .timedOut, .notWritten(.refused(.timedOut)): break
            default: Issue.record("\(String(describing: late))")
            }
            let canceled = Task { try await session.request(#"{"id":8}"#) }
            canceled.cancel()
            await #expect(throws: RequestError.canceled) { try await canceled.value }
            let waiting = Task { try await session.request(#"{"id":9}"#) }
            try await until("the child has it") {
                try String(decoding: Files.read(directory + "/heard", limit: .max), as: UTF8.self).contains(#""id":9"#)
            }
            await session.stop(.now)
            let error = await #expect(throws: RequestError.self) { try await waiting.value }
            if case .sessionEnded = error {} else { Issue.record("\(String(describing: error))") }
        }
    }

    @Test("what is no question is refused, and nobody waits for it") func noQuestion() async throws {
        try await withKeepers { keepers, directory in
            let session = try await keepers.open("mute", ["cat"], in: directory)
            for text in ["hello", "{}", "[1]", "{\"id\":1}\n{\"id\":2}", #"{"method":"x"}"#] {
                await #expect(throws: RequestError.notARequest) { try await session.request(text) }
            }
            await session.stop(.now)
            let others = try await Keepers(
                Keepers.Options(sessionsDirectory: directory + "/s", sidecar: [BuiltProducts.sidecar]))
            await #expect(throws: RequestError.notARequest) { try await others.session("mute").request("hello") }
            await others.finish(within: .seconds(3600))
        }
    }

    @Test("a line that waits is taken back when its task is canceled, and one that has left is not") func withdrawn()
        async throws
    {
        try await withKeepers { keepers, directory in
            let session = try await keepers.open("work", ["sleep", "1000"], in: directory)
            // More than the pipe, the keeper and the connection hold together.
            let line = [UInt8](repeating: 0x78, count: 1_000_000)
            let writes = (0..<20).map { _ in Task { await session.write(line, deadline: .untilSessionEnds) } }
            try await until("the child does not read") { try await session.status().blockedSince != nil }
            let last = Task { await session.write("last", deadline: .untilSessionEnds) }
            for task in writes + [last] { task.cancel() }
            // The last one has not left: what is before it fills everything.
            #expect(await last.value == .refused(.withdrawn))
            await session.stop(.now)
            for task in writes {
                // None fits into the pipe.
                let outcome = await task.value
                #expect(outcome != .written, "\(outcome)")
            }
        }
    }

    @Test("many lines written at once arrive in order, with an outcome each; a cancellation takes back those that wait")
    func manyLines() async throws {
        try await withKeepers { keepers, directory in
            let session = try await keepers.open("work", ["cat"], in: directory)
            let lines = (0..<500).map { Array("line \($0)".utf8) }
            #expect(await session.write(lines: lines) == Array(repeating: .written, count: 500))
            #expect(await session.write(lines: []).isEmpty)
            var answers = session.lines(from: .start).makeAsyncIterator()
            for line in lines { #expect(try await answers.next()?.bytes == line) }

            let deaf = try await keepers.open("deaf", ["sleep", "1000"], in: directory)
            // More than the pipe, the keeper and the connection hold together.
            let large = [[UInt8]](repeating: [UInt8](repeating: 0x78, count: 1_000_000), count: 20)
            let write = Task { await deaf.write(lines: large + [[0x79]], deadline: .untilSessionEnds) }
            try await until("the child does not read") { try await deaf.status().blockedSince != nil }
            write.cancel()
            await deaf.stop(.now)
            let outcomes = await write.value
            #expect(outcomes.count == 21)
            #expect(outcomes.last == .refused(.withdrawn))
            #expect(!outcomes.contains(.written))
        }
    }

    @Test("a reader that does not ask keeps little in memory, and is told what has gone meanwhile") func slowReader()
        async throws
    {
        try await withKeepers { keepers, directory in
            let session = try await keepers.open(
                "flood", in: directory,
                SpawnOptions(
                    command: ["sh", "-c", "head -c 30000000 /dev/zero; exec cat"], output: .kept(bytes: 65536)))
            var pieces = session.output(from: .start).makeAsyncIterator()
            // Where what was kept began by then.
            var position: UInt64?
            func take() async throws -> Bool {
                switch try await pieces.next() {
                case .bytes(_, let offset, let bytes):
                    #expect(offset == position ?? offset)
                    position = offset + UInt64(bytes.count)
                case .gap(_, let range):
                    #expect(range.lowerBound == position ?? range.lowerBound)
                    position = range.upperBound
                case .ended, nil: return false
                }
                return true
            }
            #expect(try await take())
            try await until("all is written") { try await session.status().output?.out.end == 30_000_000 }
            while position! < 30_000_000, try await take() {}
            #expect(position == 30_000_000)
            let reading = Task { [pieces] in
                var pieces = pieces
                return try await pieces.next()
            }
            reading.cancel()
            await #expect(throws: KeeperError.closed) { try await reading.value }
        }
    }

    @Test("whoever waits for the end is told how, at once if it has come before; a canceled wait ends") func waiting()
        async throws
    {
        try await withKeepers { keepers, directory in
            let session = try await keepers.open("work", ["sh", "-c", "read line; exit 3"], in: directory)
            let canceled = Task { try await session.wait() }
            let waiting = Task { try await session.wait() }
            canceled.cancel()
            await #expect(throws: CancellationError.self) { try await canceled.value }
            #expect(await session.write("go") == .written)
            #expect(try await waiting.value?.code == 3)
            #expect(try await session.wait()?.code == 3)
            #expect(await session.record()?.exit?.code == 3)
            #expect(await session.write("late") != .written)
            let others = keepers.session("nobody")
            #expect(try await others.wait() == nil)
            await #expect(throws: KeeperError.self) { try await others.status() }
        }
    }

    @Test("a close ends what waits, and the session lives on") func closed() async throws {
        try await withKeepers { keepers, directory in
            let others = try await Keepers(
                Keepers.Options(sessionsDirectory: keepers.sessionsDirectory, sidecar: [BuiltProducts.sidecar]))
            let session = try await others.open("work", ["cat"], in: directory)
            #expect(await session.write("x") == .written)
            let waiting = Task { try await session.wait() }
            let reading = Task {
                var count = 0
                for try await _ in session.output() { count += 1 }
                return count
            }
            try await until("somebody reads") { try await session.status().clients.channel == 3 }
            await others.close()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            await #expect(throws: KeeperError.closed) { try await reading.value }
            #expect(await session.write("late") == .refused(.closed))
            #expect(await session.write(lines: [[1], [2]]) == [.refused(.closed), .refused(.closed)])
            await others.close()
            #expect(try await keepers.discover().keepers.count == 1)
        }
    }

    @Test("keepers whose executor has ended say that they are closed") func executorEnded() async throws {
        let directory = try makeTemporaryDirectory()
        let executor = try LoopExecutor()
        let keepers = try await Keepers(Keepers.Options(sessionsDirectory: directory + "/s"), on: executor)
        _ = try await keepers.discover()
        await executor.shutdown()
        let session = keepers.session("work")
        await #expect(throws: KeeperError.closed) { try await keepers.list() }
        await #expect(throws: KeeperError.closed) { try await keepers.open("work", ["cat"], in: directory) }
        await #expect(throws: KeeperError.closed) { try await session.status() }
        await #expect(throws: KeeperError.closed) { for try await _ in session.output() {} }
        await #expect(throws: CancellationError.self) { try await session.wait() }
        await #expect(throws: RequestError.canceled) { try await session.request(#"{"id":1}"#) }
        #expect(await session.write("late") == .refused(.closed))
        #expect(await keepers.takeLoopHealth() == nil)
        #expect(await keepers.figures().delivery == KeeperFigures())
        for await event in await keepers.events() { Issue.record("\(event)") }
        await keepers.close()
        removeTree(directory)
    }

    @Test("a question that is canceled before it is sent is not sent for another one of its id") func sameID()
        async throws
    {
        try await withKeepers { keepers, directory in
            let session = try await keepers.open("work", ["cat"], in: directory)
            let keeper = try #require(await session.record()?.keeper.pid)
            try Processes.send(.stop, to: keeper)
            // A keeper that stands still does not say where its output stands, and nothing is sent before.
            async let other = session.request(#"{"id":2,"result":0}"#)
            let first = Task { try await session.request(#"{"id":1,"result":"first"}"#) }
            for _ in 0..<10 { try await letOthersRun(keepers) }
            first.cancel()
            await #expect(throws: RequestError.canceled) { try await first.value }
            async let second = session.request(#"{"id":1,"result":"second"}"#)
            for _ in 0..<10 { try await letOthersRun(keepers) }
            try Processes.send(.continue, to: keeper)
            #expect(try await second.text == #"{"id":1,"result":"second"}"#)
            #expect(try await other.text == #"{"id":2,"result":0}"#)
        }
    }

    @Test("the end of the loop ends who waits for a session's end or for events, and the session lives on")
    func loopEnds() async throws {
        try await withKeepers { keepers, directory in
            let session = try await keepers.open("work", ["cat"], in: directory)
            let executor = try LoopExecutor()
            let others = try await Keepers(
                Keepers.Options(sessionsDirectory: keepers.sessionsDirectory, sidecar: [BuiltProducts.sidecar]),
                on: executor)
            let events = await others.events()
            #expect(try await others.discover().keepers.map(\.session) == ["work"])
            let (listening, waiting) = (
                Task { await events.reduce(into: []) { $0.append($1) } },
                Task { try await others.session("work").wait() }
            )
            for _ in 0..<100 { try await letOthersRun(others) }
            await executor.shutdown()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            #expect(await listening.value == [.adopted("work")])
            await #expect(throws: CancellationError.self) { try await others.session("work").wait() }
            await #expect(throws: KeeperError.closed) { try await others.list() }
            await others.close()
            #expect(await session.write("still there") == .written)
        }
    }

    private func letOthersRun(_ keepers: Keepers) async throws {
        await Task.yield()
        try await keepers.executor.run { _ in }
    }
}
