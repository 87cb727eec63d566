import KeeperProtocol
import Libc
import TestSupport
import Testing
import UVLoop

@Suite("Keeper: the record") struct RecordFileTests {
    private static let kept = ["PI_KEEPER_OUTPUT_MAX_BYTES": "65536"]

    @Test("The record is there with the sockets: who, what, where, since when, with its labels, and no end")
    func begins() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "exec cat", settings: ["PI_KEEPER_LABELS": #"{"a":"1","b":"2"}"#], shell: #"cd $HOME; exec "$@""#
            )
            let record = try #require(keeper.record)
            #expect(record.session == "s" && record.exit == nil && record.labels == ["a": "1", "b": "2"])
            #expect(record.keeper.pid == keeper.pid && record.child?.pid == keeper.childPID)
            #expect(record.keeper.version != nil && record.command == ["/bin/sh", "-c", "exec cat"])
            #expect(record.cwd == home.base && record.cut == nil)
            let status = try Files.status(of: keeper.recordFile, followingLinks: false)
            #expect(status.permissions == 0o600 && status.kind == .regular)
            let client = try home.channel(of: keeper)
            #expect(client.hello.epoch == record.epoch)
            client.send("label {\"b\":null,\"c\":\"\u{E9}\\n\"}\nlabel {\"d\":\"4\"}\nlabel {\"a\":5}\nlabel {}\n")
            #expect(try client.next() == .ok(.label))
            #expect(try client.next() == .ok(.label))
            #expect(try client.nextError()?.code == .argument)
            #expect(try client.next() == .ok(.label))
            let labels: SessionLabels = ["a": "1", "c": "\u{E9}\n", "d": "4"]
            #expect(keeper.record?.labels == labels)
            #expect(try client.status().labels == labels)
        }
    }

    @Test("Labels that are not usable are none, and the log says so; a command need not be kept, and a long one is cut")
    func leavesOut() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                settings: ["PI_KEEPER_LABELS": #"{"a":1}"#, "PI_KEEPER_RECORD_COMMAND": "0"])
            #expect(keeper.record?.command == nil && keeper.record?.labels == [:])
            #expect(keeper.log.contains("PI_KEEPER_LABELS"))
            let long = String(repeating: "x", count: 20_000)
            let other = try home.startReady("long", child: "exec cat; # \(long)")
            let record = try #require(other.record)
            #expect(record.cut == true && record.command!.reduce(0) { $0 + $1.utf8.count } == 16384)
            let many = Array(repeating: "\"\"", count: 20_000).joined(separator: ",")
            let empty = try home.startReady(
                "many", settings: ["PI_KEEPER_PI_CMD": #"["sh","-c","exec cat"]"#, "PI_KEEPER_PI_ARGS": "[\(many)]"])
            #expect(empty.record?.cut == true && empty.record.map { $0.command!.count < 16384 } == true)
        }
    }

    /// How a session ends: its child, what is done to it, and what its record says.
    private struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var child: String
        /// What a client sends; nil: the child ends by itself.
        var request: String?
        var signal: Signal?
        var settings: [String: String] = [:]
        var reason: SessionExit.Reason
        var by: SessionExit.Step?
        var code: Int32?
        var killedBy: String?
    }

    private static let deaf = "trap '' TERM; echo x >$HOME/up; while :; do read line || sleep 1000; done"
    private static let cases: [Case] = [
        Case(
            testDescription: "by itself", child: "read line; exit 3", request: "write 1 0\n\n", reason: .exited, code: 3
        ),
        Case(
            testDescription: "by a signal of its own", child: "read line; kill -SEGV $$", request: "write 1 0\n\n",
            reason: .exited, killedBy: "SEGV"),
        Case(
            testDescription: "by one from a client", child: "exec cat", request: "signal USR1\n", reason: .exited,
            killedBy: "USR1"),
        Case(testDescription: "after eof", child: "exec cat", request: "eof\n", reason: .exited, code: 0),
        Case(
            testDescription: "stopped, by the end of its input", child: "exec cat",
            request: "stop {\"eofMs\":600000}\n",
            reason: .stopped, by: .eof, code: 0),
        Case(
            testDescription: "stopped, by SIGTERM", child: "exec sleep 1000",
            request: "stop {\"eofMs\":1,\"termMs\":600000}\n", reason: .stopped, by: .term, killedBy: "TERM"),
        Case(
            testDescription: "stopped, by SIGKILL", child: Self.deaf, request: "stop {\"eofMs\":1,\"termMs\":1}\n",
            reason: .stopped, by: .kill, killedBy: "KILL"),
        Case(
            testDescription: "stopped at once", child: "exec cat", request: "stop {\"eofMs\":0,\"termMs\":0}\n",
            reason: .stopped, by: .kill, killedBy: "KILL"),
        Case(
            testDescription: "by the keeper's SIGTERM", child: "exec sleep 1000", signal: .terminate,
            reason: .keeperSignalled, by: .kill, killedBy: "KILL"),
        Case(
            testDescription: "by the keeper's SIGTERM, gently", child: "exec cat", signal: .terminate,
            settings: ["PI_KEEPER_STOP_EOF_MS": "600000"], reason: .keeperSignalled, by: .eof, code: 0),
    ]

    @Test("The record and every client are told the same end", arguments: Self.cases)
    private func ends(how: Case) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: how.child, settings: how.settings.merging(Self.kept) { $1 })
            try home.until("the crash window is over") { keeper.log.contains("keeper ready") }
            if how.child == Self.deaf { try home.until("the child is deaf") { home.text("up") != nil } }
            let clients = try (0..<3).map { _ in try home.channel(of: keeper) }
            clients[1].send("read {\"from\":\"start\",\"follow\":true}\n")
            _ = try clients[1].next()
            if let request = how.request { clients[0].send(request) }
            if let signal = how.signal { try keeper.send(signal) }
            let ends = try clients.map { try $0.rest().last }
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            let record = try #require(keeper.record)
            let exit = try #require(record.exit)
            #expect(ends.allSatisfy { $0 == .exit(exit) })
            #expect(exit.reason == how.reason && exit.by == how.by && exit.code == how.code)
            #expect(exit.signal == how.killedBy && exit.leftBehind.isEmpty && exit.inputUnread == 0)
            #expect(exit.output == .init(out: .init(start: 0, end: 0), err: .init(start: 0, end: 0), held: false))
            #expect(record.epoch == clients[0].hello.epoch)
            #expect(home.names.isEmpty, "nothing but the record and the log")
        }
    }

    @Test("A child that cannot start, or ends in its crash window, leaves a record of that")
    func fails() throws {
        try withKeeperHome { home in
            let missing = try home.start("missing", settings: ["PI_KEEPER_PI_CMD": #"["/nowhere/agent"]"#])
            #expect(try home.runToEnd(missing) == .exited(code: 1))
            #expect(missing.record?.exit?.reason == .cannotStart && missing.record?.child == nil)
            #expect(missing.record?.exit?.inputUnread == nil)
            let early = try home.start("early", child: "echo why >&2; exit 4", settings: Self.kept)
            #expect(try home.runToEnd(early) == .exited(code: 1))
            let exit = try #require(early.record?.exit)
            #expect(exit.reason == .crashedAtStart && exit.code == 4 && exit.stderrTail == "why\n")
            let stopped = try home.startReady("stopped")
            let client = try home.channel(of: stopped)
            client.send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(stopped) == .exited(code: 0))
            #expect(stopped.record?.exit?.reason == .stopped && stopped.record?.exit?.output == nil)
        }
    }

    @Test("What the child never read is counted, also if it is killed")
    func countsUnread() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "kill -STOP $$; exec sleep 1000", settings: Self.kept)
            let client = try home.channel(of: keeper)
            client.send("writer w\nwrite 1 4\nline\n")
            _ = try client.next()
            #expect(try client.acknowledges(1))
            client.send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            let exit = try #require(keeper.record?.exit)
            #expect(exit.inputUnread == 5)
            #expect(exit.writers.map(\.name) == ["w"] && exit.writers.map(\.acknowledged) == [1])
        }
    }

    @Test("The room for the last record grows with its labels, and goes with it")
    func keepsRoom() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "exec cat >/dev/null")
            let client = try home.channel(of: keeper)
            let reserve = "\(home.directory)/s.\(client.hello.epoch).reserve"
            // It is empty: what counts is the room that it has on the disk.
            let size = {
                var status = stat()
                try #require(stat(reserve, &status) == 0)
                return UInt64(status.st_blocks) * 512
            }
            let record = { try Files.status(of: keeper.recordFile, followingLinks: false).size }
            let before = try size()
            #expect(try before > record() + 24_000, "the last of standard error, escaped, has its place")
            let value = String(repeating: "x", count: 1000)
            let labels = (0..<15).map { "\"\($0)\":\"\(value)\"" }.joined(separator: ",")
            client.send("label {\(labels)}\n")
            #expect(try client.next() == .ok(.label))
            #expect(try size() >= before + 15_000 && record() > 15_000)
            client.send("label {\"0\":null}\n")
            #expect(try client.next() == .ok(.label))
            #expect(try size() >= before + 15_000)
            client.send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.record?.labels.count == 14 && keeper.record?.exit?.reason == .stopped)
            #expect(!Files.exists(reserve))
        }
    }

    @Test("A file that was put in the room's place does not become the record", arguments: ["junk", ""])
    func copied(text: String) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "exec cat >/dev/null")
            let client = try home.channel(of: keeper)
            let reserve = "\(home.directory)/s.\(client.hello.epoch).reserve"
            try Files.unlink(reserve)
            try Posix.write(text, to: reserve)
            client.send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.record?.exit?.reason == .stopped && !Files.exists(reserve))
        }
    }

    @Test(
        "A keeper killed by SIGKILL leaves no end; the next start has another epoch, and removes the former one's output"
    )
    func startsAnew() throws {
        try withKeeperHome { home in
            let settings = Self.kept.merging(["PI_KEEPER_LABELS": #"{"a":"b"}"#]) { $1 }
            let first = try home.startReady(child: "echo first; exec cat >/dev/null", settings: settings)
            let reader = try home.channel(of: first)
            try home.until("output is kept") { try reader.status().output?.out.end == 6 }
            // Names that are none of this session's segments.
            let others = ["s.\(reader.hello.epoch).out.1", "s.x.\(reader.hello.epoch).out.00000000000000000000", "sx"]
            for name in others { try Posix.write("x", to: "\(home.directory)/\(name)") }
            try first.send(.kill)
            _ = try home.runToEnd(first)
            #expect(try reader.rest().isEmpty)
            #expect(first.record?.exit == nil && first.record?.epoch == reader.hello.epoch)
            #expect(home.names.contains("s.\(reader.hello.epoch).out.00000000000000000000"))
            let second = try home.startReady(child: "exec cat >/dev/null", settings: Self.kept)
            let client = try home.channel(of: second)
            #expect(client.hello.epoch != reader.hello.epoch && client.hello.output?.out.end == 0)
            #expect(second.record?.labels == [:] && second.record?.keeper.pid == second.pid)
            #expect(home.names == (KeeperHome.liveNames + others).sorted())
        }
    }

    @Test("Where no file may be long enough, the record has the end without the child's last words")
    func shortensLast() throws {
        try withKeeperHome { home in
            // Four blocks of 512 bytes are enough for the record, and not for the room or for 4 KiB of words.
            let keeper = try home.startReady(
                child: "read line; head -c 4096 /dev/zero | tr '\\0' w >&2; exit 3", settings: Self.kept,
                shell: #"trap '' XFSZ; ulimit -f 4; exec "$@""#)
            try home.until("the crash window is over") { keeper.log.contains("keeper ready") }
            try home.send("go\n", to: keeper)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            let exit = try #require(keeper.record?.exit)
            #expect(exit.code == 3 && exit.reason == .exited && exit.stderrTail.isEmpty)
            #expect(!home.names.contains { $0.contains("reserve") || $0.contains(".tmp") }, "\(home.names)")
        }
    }

    @Test(
        "The record has the last 4 KiB of stderr, from a whole character on, in whatever pieces they came",
        arguments: ["cat $HOME/all >&2", "while read -r piece; do printf %s $piece >&2; done <$HOME/pieces"])
    func cutsTail(writing: String) throws {
        try withKeeperHome { home in
            // Four bytes a piece: the last 4,096 bytes of 8,001 begin in the middle of the first character of one.
            let all = String(repeating: "\u{E4}ab", count: 2000) + "x"
            try Posix.write(all, to: "\(home.base)/all")
            try Posix.write(String(repeating: "\u{E4}ab\n", count: 2000) + "x\n", to: "\(home.base)/pieces")
            let keeper = try home.startReady(child: "read line; \(writing); exit 4", settings: Self.kept)
            try home.until("the crash window is over") { keeper.log.contains("keeper ready") }
            try home.send("go\n", to: keeper)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            let tail = try #require(keeper.record?.exit?.stderrTail)
            #expect(tail.utf8.count == 4095 && all.hasSuffix(tail), "\(tail.utf8.count) \(tail.prefix(9))")
        }
    }
}
