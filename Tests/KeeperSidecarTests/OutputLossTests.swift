import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@Suite("Channel: a disk that takes nothing") struct OutputLossTests {
    private static let kept = ["PI_KEEPER_OUTPUT_MAX_BYTES": "1048576"]

    @Test(
        "What a limit on the size of files does not take is a gap, and kills nobody; a live reader has it all the same")
    func survivesFileLimit() throws {
        try withKeeperHome { home in
            // 64 KiB: enough for the record and the log, too little for a segment and for what the child writes at once.
            let keeper = try home.startReady(
                child: "ulimit -f unlimited 2>/dev/null; read line; head -c 100000 /dev/zero | tr '\\0' x; read line",
                settings: Self.kept, shell: #"ulimit -S -f 128; exec "$@""#)
            let reader = try home.channel(of: keeper)
            reader.send("read {\"from\":\"start\",\"follow\":true}\n")
            _ = try reader.next()
            reader.write(1, "go")
            #expect(try reader.acknowledges(1))
            try home.until("all has come") { reader.tiles[.out]?.end == 100_000 }
            #expect(reader.tiles[.out]?.isSeamless == true && reader.tiles[.out]?.gaps.isEmpty == true)
            let late = try home.channel(of: keeper)
            late.send("read {\"from\":\"start\"}\n")
            guard case .reading = try late.next() else { return #expect(Bool(false), "no answer") }
            #expect(try late.next() == .end([.out: 100_000]))
            let tiles = try #require(late.tiles[.out])
            #expect(tiles.isSeamless && tiles.end == 100_000)
            let lost = try late.status().lostOutput.out
            #expect(lost == UInt64(tiles.gaps.reduce(0) { $0 + $1.count }))
            #expect(lost + UInt64(tiles.bytes.count) == 100_000)
            #expect(keeper.exitStatus == nil)
        }
    }

    @Test("A full disk costs output and nothing else: lines go on, losses are told, and the record has its room")
    func survivesFullDisk() throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: home.directory)
            guard Posix.mountMemory(at: home.directory, options: "size=1m,mode=700") else {
                return withKnownIssue("skipped: mounting a file system is not permitted here") { Issue.record() }
            }
            defer { Posix.unmount(home.directory) }
            let keeper = try home.startReady(
                child: "read line; head -c 3000000 /dev/zero | tr '\\0' x; exec cat >/dev/null", settings: Self.kept)
            try home.until("the crash window is over") { keeper.log.contains("keeper ready") }
            let client = try home.channel(of: keeper)
            client.send("read {\"from\":\"start\",\"follow\":true}\n")
            _ = try client.next()
            client.write(1, "go")
            #expect(try client.acknowledges(1))
            try home.until("all has come") { client.tiles[.out]?.end == 3_000_000 }
            #expect(client.tiles[.out]?.isSeamless == true)
            let control = try home.channel(of: keeper)
            #expect(try control.status().lostOutput.out > 0)
            let kept = try #require(try control.status().output?.out)
            #expect(kept.end - kept.start <= 1_048_576 + 65_536, "what is too old has made room")
            try home.until("nothing is left") {
                let file = try OpenFile("\(home.directory)/filler", .append)
                do throws(UVError) { try file.write([UInt8](repeating: 0, count: 4096)) } catch { return true }
                return false
            }
            control.send("label {\"a\":\"b\"}\n")
            #expect(try control.nextError()?.code == .notPermitted)
            #expect(try control.status().labels == [:])
            control.send("eof\n")
            let exits = try control.rest()
            guard case .exit(let exit)? = exits.last else { return #expect(Bool(false), "\(exits)") }
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.record?.exit == exit && exit.output?.out.end == 3_000_000)
        }
    }
}
