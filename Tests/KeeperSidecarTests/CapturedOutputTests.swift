import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@Suite("Keeper: captured output") struct CapturedOutputTests {
    private static let captured = ["PI_KEEPER_CAPTURE_PI_OUTPUT": "1"]

    @Test("Lines of both streams and of the keeper do not tear each other; the last one needs no newline")
    func keepsLinesWhole() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "printf 'half of '; echo whole >&2; echo a line; printf 'no newline'; read line",
                settings: Self.captured)
            try home.until("the crash window is over") { keeper.log.contains("keeper ready") }
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            let lines = keeper.log.split(separator: "\n")
            for line in ["whole", "half of a line", "no newline"] { #expect(lines.contains(Substring(line))) }
            #expect(lines.allSatisfy { $0.hasPrefix("[20") || ["whole", "half of a line", "no newline"].contains($0) })
        }
    }

    @Test("A child that opens its stderr anew wipes nothing, and a log that was moved or removed is made anew")
    func keepsLog() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "while read line; do echo \"got $line\"; echo \"err $line\" >/dev/stderr; done",
                settings: Self.captured)
            try home.send("1\n", to: keeper)
            try home.until("it answers") { keeper.log.contains("got 1\n") && keeper.log.contains("err 1\n") }
            #expect(keeper.log.contains("keeper starting"))
            try Files.rename(keeper.logFile, to: "\(home.base)/moved")
            try home.send("2\n", to: keeper)
            try home.until("it answers") { keeper.log.contains("got 2\n") }
            #expect(home.text("moved")?.contains("got 1\n") == true)
            try Files.unlink(keeper.logFile)
            try home.send("3\n", to: keeper)
            try home.until("it answers") { keeper.log.contains("got 3\n") }
            #expect(!keeper.log.contains("got 2\n"))
        }
    }

    @Test("What comes while a directory has the log's name is counted, and told when there is a log again")
    func directoryInTheWay() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "while read line; do echo \"got $line\"; done", settings: Self.captured)
            let client = try home.channel(of: keeper)
            try Files.unlink(keeper.logFile)
            try Files.makeDirectory(at: keeper.logFile)
            try home.send("1\n", to: keeper)
            try home.until("it is counted") { try client.status().lostOutput.out == 6 }
            try Posix.removeDirectory(keeper.logFile)
            try home.send("2\n", to: keeper)
            try home.until("it answers") { keeper.log.contains("got 2\n") }
            #expect(keeper.log.contains("6 bytes of pi's output could not be written"))
        }
    }

    @Test("Beside a limit for kept output the log has none of it, and says so")
    func yieldsToKept() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "echo sec''ret; exec cat",
                settings: Self.captured.merging(["PI_KEEPER_OUTPUT_MAX_BYTES": "65536"]) { $1 })
            let client = try home.channel(of: keeper)
            try home.until("the output is kept") { try client.status().output?.out.end == 7 }
            #expect(!keeper.log.contains("secret"))
            #expect(keeper.log.split(separator: "\n").filter { $0.contains("output is kept") }.count == 1)
        }
    }

    @Test("A full disk kills no captured child; what was lost is counted in status, and told when there is room again")
    func survivesFullDisk() throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: home.directory)
            guard Posix.mountMemory(at: home.directory, options: "size=256k,mode=700") else {
                return withKnownIssue("skipped: mounting a file system is not permitted here") { Issue.record() }
            }
            defer { Posix.unmount(home.directory) }
            let keeper = try home.startReady(
                child: "read line; yes | head -c 400000; read line; echo after; exec cat >/dev/null",
                settings: Self.captured)
            let client = try home.channel(of: keeper)
            client.write(1, "go")
            #expect(try client.acknowledges(1))
            try home.until("some is lost") { try client.status().lostOutput.out > 100_000 }
            try Files.unlink(keeper.logFile)
            client.write(2, "go on")
            #expect(try client.acknowledges(2))
            try home.until("the log goes on") { keeper.log.contains("after\n") }
            #expect(keeper.log.contains("bytes of pi's output could not be written"))
        }
    }
}
