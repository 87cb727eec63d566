import TestSupport
import Testing
import UVKeeper

@Suite struct KeeperManagerWritingTests {
    @Test("a line is written when the keeper has confirmed it, and arrives with a newline")
    func written() throws {
        try withWorld { world throws in
            _ = try world.spawn("s1")
            #expect(try world.outcome("one", "s1") == .written)
            #expect(try world.outcome("two\n", "s1") == .written)
            try world.eventually { world.text("s1.out") == "one\ntwo\n" }
        }
    }

    @Test("an empty line, bytes that are no text, and newlines within arrive as they are")
    func anyBytes() throws {
        try withWorld { world throws in
            _ = try world.spawn("s1")
            let lines: [[UInt8]] = [[], [0, 0xFF, 0xC3, 0x28], Array("a\nb\n\nc".utf8), [0x0D, 0x0A]]
            for line in lines {
                #expect(try world.outcome(line, "s1") == .written)
            }
            let expected: [UInt8] = [10, 0, 0xFF, 0xC3, 0x28, 10] + Array("a\nb\n\nc\n\r\n".utf8)
            var read: [UInt8] = []
            try world.eventually {
                // Written is in the child's pipe; the child may not have made its file.
                guard world.exists(world.path("s1.out")) else { return false }
                read = try Files.read(world.path("s1.out"), limit: 1000)
                return read.count >= expected.count
            }
            #expect(read == expected)
        }
    }

    @Test("a path is bytes: sockets whose names are two normal forms of one text are two")
    func normalForms() throws {
        try withTimelyWorld { world throws in
            let listeners = try ["\u{E9}", "e\u{301}"].map { try Listener(.confirm, at: world.path($0), in: world) }
            for (listener, line) in zip(listeners, ["one", "two"]) {
                #expect(try world.outcome(line, at: listener.path) == .sent)
            }
            #expect(listeners.map(\.text) == ["one\n", "two\n"])
        }
    }

    @Test("an invalid session id is refused")
    func invalidID() throws {
        try withWorld { world throws in
            #expect(
                try world.outcome("x", "../x") == .refused(.invalidSession("../x", .badFirstCharacter)))
            #expect(try world.sessionFiles().isEmpty)
        }
    }

    @Test("a line that is too long is refused, one of exactly the limit is sent")
    func tooLong() throws {
        try withTimelyWorld(options: { $0.maximumLineLength = 10 }) { world throws in
            let listener = try Listener(.confirm, at: world.path("x"), in: world)
            #expect(
                try world.outcome("0123456789", at: listener.path) == .refused(.lineTooLong(11, maximum: 10)))
            #expect(try world.outcome("012345678\n", at: listener.path) == .sent)
            #expect(try world.outcome("012345678", at: listener.path) == .sent)
            #expect(listener.text == "012345678\n012345678\n")
        }
    }

    @Test("without a socket there are three attempts with pauses of 50 and 150 ms")
    func threeAttempts() throws {
        try withWorld { world throws in
            let start = SystemClock.monotonicTime
            let path = world.paths.socket(for: "s1")
            #expect(try world.outcome("x", "s1") == .refused(.connection(path, .noEntry)))
            #expect(SystemClock.monotonicTime - start >= .milliseconds(195))
        }
    }

    @Test("a keeper that drops every connection is tried three times")
    func threeConnections() throws {
        try withWorld { world throws in
            let listener = try Listener(.drop, at: world.path("x"), in: world)
            let outcome = try world.outcome("x", at: listener.path)
            // Whether the close came before the line or after it is the system's to decide.
            switch outcome {
            case .refused: #expect(listener.connections == 3)
            case .unknown: #expect(listener.connections <= 3)
            case .written, .sent: Issue.record("nobody has read it")
            }
        }
    }

    @Test("a keeper that appears between attempts gets the line")
    func appears() throws {
        try withTimelyWorld { world throws in
            let path = world.path("x")
            var outcome: WriteOutcome?
            world.manager.writeRPC("x", toSocketAt: path) { outcome = $0 }
            // A timer of the same loop is not later than the second attempt, 50 ms after the first.
            var listener: Listener?
            let timer = world.owned(TimerHandle(on: world.loop))
            timer.start(after: .milliseconds(25)) { _ in
                #expect(outcome == nil)
                expectNoError { listener = try Listener(.confirm, at: path, in: world) }
            }
            try world.eventually { outcome != nil }
            #expect(outcome == .sent)
            #expect(listener?.text == "x\n")
        }
    }

    @Test("beyond the limit of lines the newest is refused and the others keep their order")
    func tooManyLines() throws {
        try withTimelyWorld(options: { $0.maximumWaitingLines = 3 }) { world throws in
            let listener = try Listener(.confirm, at: world.path("x"), in: world)
            var outcomes: [String: WriteOutcome] = [:]
            for name in ["a", "b", "c", "d", "e"] {
                world.manager.writeRPC(name, toSocketAt: listener.path) { outcomes[name] = $0 }
            }
            #expect(outcomes.isEmpty)
            try world.eventually { outcomes.count == 5 }
            #expect(listener.text == "a\nb\nc\n")
            #expect(["a", "b", "c"].allSatisfy { outcomes[$0] == .sent })
            #expect(["d", "e"].allSatisfy { outcomes[$0] == .refused(.queueFull(lines: 3, bytes: 6)) })
            #expect(try world.outcome("f", at: listener.path) == .sent)
        }
    }

    @Test("beyond the limit of bytes the newest is refused, and a shorter one still fits")
    func tooManyBytes() throws {
        try withTimelyWorld(options: { $0.maximumWaitingBytes = 10 }) { world throws in
            let listener = try Listener(.confirm, at: world.path("x"), in: world)
            var outcomes: [WriteOutcome] = []
            for line in ["12345", "12345", "123"] {
                world.manager.writeRPC(line, toSocketAt: listener.path) { outcomes.append($0) }
            }
            try world.eventually { outcomes.count == 3 }
            #expect(outcomes.filter { $0 == .sent }.count == 2)
            #expect(outcomes.contains(.refused(.queueFull(lines: 1, bytes: 6))))
            #expect(listener.text == "12345\n123\n")
        }
    }

    @Test("5,000 lines for five sessions in one tick arrive whole and in order")
    func manyLines() throws {
        try withWorld { world throws in
            let ids = (1...5).map { "s\($0)" }
            for id in ids { _ = try world.spawn(id) }
            var outcomes: [(id: String, outcome: WriteOutcome)] = []
            for number in 0..<5000 {
                let id = ids[number % 5]
                world.manager.writeRPC("line \(number)", to: id) { outcomes.append((id, $0)) }
            }
            try world.eventually { outcomes.count == 5000 }
            #expect(try outcomes.allSatisfy { try world.settled($0.outcome, $0.id) == .written })
            for (offset, id) in ids.enumerated() {
                let expected = stride(from: offset, to: 5000, by: 5).map { "line \($0)" }
                try world.eventually { world.received(id).count >= expected.count }
                #expect(world.received(id) == expected)
            }
        }
    }

    @Test("lines added from completions come behind those that wait")
    func fromCompletions() throws {
        try withTimelyWorld { world throws in
            let listener = try Listener(.confirm, at: world.path("x"), in: world)
            var count = 0
            func add(_ number: Int) {
                world.manager.writeRPC("\(number)", toSocketAt: listener.path) { outcome in
                    #expect(outcome == .sent)
                    count += 1
                    if number < 100 { add(number + 2) }
                }
            }
            add(0)
            add(1)
            try world.eventually { count == 102 }
            #expect(listener.text == (0...101).map { "\($0)\n" }.joined())
        }
    }

    @Test(
        "permission is refused at once, for a user who has none",
        .enabled(if: World.isRoot, "only root can become another user"))
    func permission() throws {
        try withWorld { world throws in
            let listener = try Listener(.confirm, at: world.root + "/s1.rpc.sock", in: world)
            let lines = try world.host("unprivileged", "1", world.root, "s1")
            #expect(
                lines.contains("refused: the connection to \(listener.path) failed: \(UVError.accessDenied)"),
                "\(lines)")
            // What cannot be told counts as alive.
            #expect(lines.contains("keeper true"))
        }
    }

    @Test(
        "a line is for no other user's process, whoever has made the directory",
        .enabled(if: World.isRoot, "only root can become another user"))
    func stranger() throws {
        try withWorld { world throws in
            try Posix.setPermissions(0o777, of: world.root)
            let path = world.root + "/s1.rpc.sock"
            let stranger = try HostProcess(["stranger", path], in: world)
            #expect(try stranger.lines(1) == ["listening"])
            try Posix.setPermissions(0o755, of: world.root)
            let lines = try world.host("unprivileged", "1", world.root, "s1")
            #expect(
                lines.contains("refused: no keeper of yours: a process of another user listens on \(path)"), "\(lines)")
            #expect(try stranger.end().last == "got nothing")
        }
    }

    @Test("without a free descriptor a line is refused; when there is one again it is sent")
    func outOfDescriptors() throws {
        try withTimelyWorld { world throws in
            let listener = try Listener(.confirm, at: world.path("x"), in: world)
            let refused = try world.host("starve", listener.path)
            #expect(refused.first?.contains("EMFILE") == true, "\(refused)")
            #expect(try world.host("starve", listener.path, "free") == ["sent"])
            #expect(listener.text == "starved\n")
        }
    }

    @Test("a queue is forgotten only when nothing waits in it")
    func forgotten() throws {
        try withTimelyWorld { world throws in
            let listener = try Listener(.confirm, at: world.path("x"), in: world)
            // Two batches: when the first completes, the second waits.
            var outcomes: [WriteOutcome] = []
            let long = [UInt8](repeating: 65, count: 100_000)
            var others = 0
            world.manager.writeRPC(long, toSocketAt: listener.path) { outcome in
                outcomes.append(outcome)
                for number in 0..<1100 {
                    world.manager.writeRPC("x", toSocketAt: "\0\(number)") { _ in others += 1 }
                }
            }
            world.manager.writeRPC(long, toSocketAt: listener.path) { outcomes.append($0) }
            try world.eventually { outcomes.count == 2 && others == 1100 }
            #expect(outcomes == [.sent, .sent])
        }
    }

    enum Obstacle: CaseIterable { case file, directory, loop, throughFile, tooLong, zeroByte, empty }

    @Test("what no second attempt can mend is refused at once", arguments: Obstacle.allCases)
    func configurationErrors(_ obstacle: Obstacle) throws {
        try withWorld { world throws in
            var path = world.path("x")
            let expected: UVError
            switch obstacle {
            case .file:
                try world.write("", to: path)
                expected = .notSocket
            case .directory:
                try Files.makeDirectory(at: path)
                expected = .notSocket
            case .loop:
                try world.start(["ln", "-s", path, path])
                try world.eventually { world.exists(path) }
                expected = .symbolicLink
            case .throughFile:
                try world.write("", to: path)
                path += "/y"
                expected = .notDirectory
            case .tooLong:
                path += String(repeating: "x", count: 108)
                expected = .nameTooLong
            case .zeroByte:
                path += "\0"
                expected = .invalidArgument
            case .empty:
                path = ""
                expected = .invalidArgument
            }
            var outcomes: [WriteOutcome] = []
            for _ in 0..<3 { world.manager.writeRPC("x", toSocketAt: path) { outcomes.append($0) } }
            // Between three attempts are pauses of 200 ms; ticks that wait for nothing are over sooner.
            for _ in 0..<5 { world.loop.run(.noWait) }
            #expect(outcomes.count == 3)
            #expect(outcomes.allSatisfy { $0 == .refused(.connection(path, expected)) }, "\(outcomes)")
        }
    }
}
