import KeeperProtocol
import Libc
import TestSupport
import Testing
import UVLoop

@Suite("Channel: kept output") struct KeptOutputTests {
    private static let kept = ["PI_KEEPER_OUTPUT_MAX_BYTES": "65536"]

    /// True if bytes and gaps tile the stream up to the end, and the bytes are those that were written.
    private func isExact(_ tiles: ChannelConnection.Tiles?, _ all: [UInt8]) -> Bool {
        guard let tiles, tiles.isSeamless else { return false }
        var position = Int(tiles.start)
        var taken = 0
        func takes(upTo end: UInt64) -> Bool {
            let count = Int(end) - position
            guard count >= 0, taken + count <= tiles.bytes.count, Int(end) <= all.count else { return false }
            defer { taken += count }
            return tiles.bytes.withUnsafeBytes { bytes in
                all.withUnsafeBytes {
                    count == 0 || memcmp($0.baseAddress! + position, bytes.baseAddress! + taken, count) == 0
                }
            }
        }
        for gap in tiles.gaps {
            guard takes(upTo: gap.lowerBound) else { return false }
            position = Int(gap.upperBound)
        }
        return takes(upTo: tiles.end) && taken == tiles.bytes.count
    }

    private func read(_ request: String, _ client: ChannelConnection) throws -> ChannelMessage {
        client.send("read \(request)\n")
        return try client.next()
    }

    private func position(_ from: UInt64, _ range: KeptRange) -> ChannelMessage.Position {
        .init(from: from, kept: range)
    }

    @Test(
        "Output is replayed from the start, the end, an offset, or so many bytes before the end; each stream has its own"
    )
    func replays() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "printf 0123456789; printf abc >&2; exec cat >/dev/null", settings: Self.kept)
            let client = try home.channel(of: keeper)
            try home.until("all was read") {
                try client.status().output?.out.end == 10 && client.status().output?.err.end == 3
            }
            let out = KeptRange(start: 0, end: 10)
            let err = KeptRange(start: 0, end: 3)
            #expect(try read(#"{"from":"start"}"#, client) == .reading([.out: position(0, out)]))
            #expect(try client.next() == .end([.out: 10]))
            #expect(client.tiles[.out]?.text == "0123456789")
            #expect(
                try read(#"{"streams":["err","out"],"from":{"out":4,"err":1}}"#, client)
                    == .reading([.out: position(4, out), .err: position(1, err)]))
            #expect(try client.next() == .end([.out: 10, .err: 3]))
            #expect(client.tiles[.out]?.text == "456789" && client.tiles[.err]?.text == "bc")
            #expect(try read(#"{"from":{"last":3}}"#, client) == .reading([.out: position(7, out)]))
            #expect(try client.next() == .end([.out: 10]))
            #expect(client.tiles[.out]?.text == "789")
            #expect(try read(#"{"from":{"last":99}}"#, client) == .reading([.out: position(0, out)]))
            #expect(try client.next() == .end([.out: 10]))
            #expect(try read("{}", client) == .reading([.out: position(10, out)]))
            #expect(try client.next() == .end([.out: 10]))
            client.send("read {\"from\":{\"out\":11}}\n")
            #expect(try client.nextError()?.code == .argument)
            #expect(try home.channel(of: keeper).hello.output == .init(out: out, err: err))
        }
    }

    @Test("One read at a time: another is busy until the end of the first")
    func isBusy() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(settings: Self.kept)
            let client = try home.channel(of: keeper)
            _ = try read(#"{"follow":true}"#, client)
            client.send("read\n")
            #expect(try client.nextError()?.code == .busy)
            #expect(try client.isAnswered())
        }
    }

    @Test("Without a limit nothing is kept: there is no output to read, and hello says so")
    func keepsNothing() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let client = try home.channel(of: keeper)
            #expect(client.hello.output == nil)
            client.send("read\n")
            #expect(try client.nextError()?.code == .noOutput)
            #expect(try client.status().output == nil)
        }
    }

    @Test("Readers from everywhere, quick, slow and stopped ones, tile the stream exactly while segments roll")
    func tiles() throws {
        try withKeeperHome { home in
            let lines = 200_000
            let keeper = try home.startReady(
                child: "read count; seq -f %09.0f 0 $((count - 1)) | tee $HOME/all; exec cat >/dev/null",
                settings: Self.kept)
            let followers = try [#""start""#, #""end""#, #"{"last":100}"#, #"{"out":0}"#].map { from in
                let client = try home.channel(of: keeper)
                _ = try read(#"{"from":\#(from),"follow":true}"#, client)
                return client
            }
            let stopped = try home.channel(of: keeper)
            _ = try read(#"{"from":"start","follow":true}"#, stopped)
            stopped.pause()
            let control = try home.channel(of: keeper)
            control.write(1, "\(lines)")
            var once: [ChannelConnection] = []
            try home.until("all was written") {
                if once.count < 8 {
                    once.append(try home.channel(of: keeper))
                    once.last!.send("read {\"from\":\"start\"}\n")
                }
                return try control.status().output?.out.end == UInt64(10 * lines)
            }
            try stopped.resume()
            try home.until("all have come") {
                (followers + [stopped]).allSatisfy { $0.tiles[.out]?.end == UInt64(10 * lines) }
            }
            let all = try #require(home.bytes("all"))
            #expect(all.count == 10 * lines)
            for client in followers + [stopped] { #expect(isExact(client.tiles[.out], all)) }
            #expect(stopped.tiles[.out]?.gaps.isEmpty == false, "the stopped one has missed some")
            for client in once {
                guard case .reading(let positions) = try client.next(), case .end(let ends) = try client.next() else {
                    Issue.record("the read does not end")
                    continue
                }
                #expect(ends == positions.mapValues(\.kept.end))
                #expect(isExact(client.tiles[.out], all) && client.tiles[.out]?.end == ends[.out])
                #expect(client.longestChunk <= ChannelConstants.longestChunk)
            }
            let kept = try #require(try control.status().output?.out)
            #expect(kept.end - kept.start <= 2 * 65536 && kept.end - kept.start >= 65536)
        }
    }

    @Test(
        "At the end a reader gets the rest and how it ended; what the child wrote last is not lost, and stays in segments"
    )
    func endsWhole() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "read line; seq -f %09.0f 0 5999 | tee $HOME/all; printf last >&2; exit 7", settings: Self.kept)
            try home.until("the crash window is over") { keeper.log.contains("keeper ready") }
            let client = try home.channel(of: keeper)
            _ = try read(#"{"streams":["out","err"],"from":"start","follow":true}"#, client)
            client.write(1, "go")
            let rest = try client.rest().filter { $0 != .acknowledged(1) }
            guard case .exit(let exit)? = rest.first else { return #expect(Bool(false), "\(rest)") }
            #expect(rest.count == 1 && exit.code == 7 && exit.output?.out.end == 60_000 && exit.output?.err.end == 4)
            #expect(exit.output?.held == false && exit.stderrTail == "last")
            let all = try #require(home.bytes("all"))
            #expect(isExact(client.tiles[.out], all) && client.tiles[.err]?.text == "last")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            let segments = home.names.compactMap { SegmentName($0) }
            #expect(segments.count == 2 && segments.count == home.names.count)
            #expect(segments.allSatisfy { $0.epoch == client.hello.epoch && $0.offset == 0 })
            let out = try #require(segments.first { $0.stream == .out })
            #expect(try Files.read("\(home.directory)/\(out.text)", limit: .max) == all)
        }
    }

    @Test("A grandchild that holds the output delays the end by a moment, and the record says so")
    func isHeld() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "sh -c 'echo x >$HOME/up; exec sleep 1000' & read line; kill -9 $$", settings: Self.kept)
            try home.until("both run") { home.text("up") != nil && keeper.log.contains("keeper ready") }
            let client = try home.channel(of: keeper)
            client.write(1, "go")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            let exit = try #require(keeper.record?.exit)
            #expect(exit.output?.held == true && exit.leftBehind.count == 1 && exit.signal == "KILL")
            for pid in exit.leftBehind { try Processes.send(.kill, to: pid) }
        }
    }

    @Test("The output after a segment that was removed goes to a new one, once a reader has missed it")
    func segmentRemoved() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "echo one; read line; echo two; exec cat", settings: Self.kept)
            let client = try home.channel(of: keeper)
            try home.until("the first is kept") { try client.status().output?.out.end == 4 }
            try Files.unlink("\(home.directory)/s.\(client.hello.epoch).out.00000000000000000000")
            let kept = KeptRange(start: 0, end: 4)
            #expect(try read(#"{"streams":["out"],"from":"start"}"#, client) == .reading([.out: position(0, kept)]))
            #expect(try client.next() == .end([.out: 4]))
            #expect(client.tiles[.out]?.gaps == [0..<4])
            try home.send("go\n", to: keeper)
            try home.until("the second is kept") { try client.status().output?.out.end == 8 }
            let reader = try home.channel(of: keeper)
            _ = try read(#"{"streams":["out"],"from":"start"}"#, reader)
            #expect(try reader.next() == .end([.out: 8]))
            #expect(reader.tiles[.out]?.text == "two\n" && reader.tiles[.out]?.gaps == [0..<4])
        }
    }

    @Test("A link in the place of the next segment is replaced, and what it leads to stays as it is")
    func followsNoLink() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "read line; head -c 100000 /dev/zero; exec cat",
                settings: ["PI_KEEPER_OUTPUT_MAX_BYTES": "1048576"])
            let client = try home.channel(of: keeper)
            let next = SegmentName("s", epoch: client.hello.epoch, .out, offset: 65536).text
            try Posix.write("somebody's", to: "\(home.base)/other")
            try Posix.makeSymbolicLink(at: "\(home.directory)/\(next)", to: "\(home.base)/other")
            client.write(1, "go")
            #expect(try client.acknowledges(1))
            try home.until("all was written") { try client.status().output?.out.end == 100_000 }
            #expect(home.text("other") == "somebody's")
            #expect(try Files.status(of: "\(home.directory)/\(next)", followingLinks: false).kind == .regular)
            _ = try read(#"{"from":"start"}"#, client)
            try home.until("all was read") { client.tiles[.out]?.end == 100_000 }
            #expect(isExact(client.tiles[.out], [UInt8](repeating: 0, count: 100_000)))
        }
    }
}
