import TestSupport
import Testing
import UVLoop

@Suite("Keeper: log") struct KeeperLogTests {
    @Test("It has the texts that tools look for, in order, each line with its time")
    func hasTexts() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "exec cat")
            try home.until("it is ready") { keeper.log.contains("keeper ready: s") }
            try keeper.send(.terminate)
            _ = try home.runToEnd(keeper)
            let lines = keeper.log.split(separator: "\n")
            for line in lines {
                #expect(line.wholeMatch(of: /\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] .+/) != nil, "\(line)")
            }
            let texts = [
                "keeper starting: ", "socket bound: \(keeper.socket)", "spawning pi /bin/sh -c exec cat",
                "pi output capture: disabled", "log rotation: maxBytes=134217728 checkIntervalMs=5000",
                "keeper ready: s", "SIGTERM received", "pi exited code=null signal=SIGKILL elapsed=",
                "shutdown: code=0 reason=SIGTERM",
            ]
            #expect(lines.count == texts.count)
            for (line, text) in zip(lines, texts) { #expect(line.dropFirst(27).hasPrefix(text)) }
        }
    }

    @Test("The exit code of the child is in the log, and the keeper's own status is 0")
    func logsExit() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "read line; exit 7")
            try home.until("it is ready") { keeper.log.contains("keeper ready: s") }
            try home.send("x\n", to: keeper)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.log.contains("pi exited code=7 signal=null"))
            #expect(home.names.isEmpty)
        }
    }

    @Test("A signal that ended the child has its name in the log")
    func logsSignal() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "ulimit -c 0; read line; kill -SEGV $$")
            try home.until("it is ready") { keeper.log.contains("keeper ready: s") }
            try home.send("x\n", to: keeper)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.log.contains("pi exited code=null signal=SIGSEGV"))
        }
    }

    @Test("A child that ends within the crash window is status 1 and leaves nothing", arguments: [0, 3])
    func logsCrash(code: Int) throws {
        try withKeeperHome { home in
            // On a slow machine it may take longer than the crash window, and is another case then: once more.
            for round in 0... {
                let keeper = try home.start("s\(round)", child: "exit \(code)")
                let status = try home.runToEnd(keeper)
                if keeper.log.contains("keeper ready"), round < 100 { continue }
                #expect(status == .exited(code: 1))
                #expect(keeper.log.contains("pi exited code=\(code) signal=null"))
                #expect(!keeper.log.contains("keeper ready"))
                #expect(home.names.isEmpty)
                break
            }
        }
    }

    @Test("Captured output is in the log, verbatim; other output is nowhere", arguments: ["1", "0", "true", nil])
    func captures(value: String?) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: #"echo to-out; printf 'to-err\377\n' >&2; echo x >$HOME/done; exec cat"#,
                settings: ["PI_KEEPER_CAPTURE_PI_OUTPUT": value])
            try home.until("the child has written") { home.text("done") == "x\n" }
            if value == "1" {
                try home.until("the keeper has both") {
                    keeper.log.contains("\nto-out\n") && keeper.log.contains("to-err")
                }
            }
            let log = try Files.read(keeper.logFile, limit: .max)
            #expect((log.firstRange(of: Array("\nto-out\n".utf8)) != nil) == (value == "1"))
            #expect((log.firstRange(of: Array("to-err".utf8) + [0xFF, 0x0A]) != nil) == (value == "1"))
            #expect(keeper.log.contains("pi output capture: \(value == "1" ? "enabled" : "disabled")"))
            // The socket has its temporary name for an instant longer.
            try home.until("its own files are left") { home.names == KeeperHome.liveNames }
        }
    }

    @Test("A log over its limit is cut in place, in silence, and both writers go on in it")
    func rotates() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child:
                    #"read a; head -c 100000 /dev/zero | tr '\0' x; echo >$HOME/written; read b; echo "after:$b"; exec cat"#,
                settings: [
                    "PI_KEEPER_CAPTURE_PI_OUTPUT": "1", "PI_KEEPER_LOG_MAX_BYTES": "50000",
                    "PI_KEEPER_LOG_CHECK_INTERVAL_MS": "20",
                ])
            let before = try Files.status(of: keeper.logFile)
            try home.send("go\n", to: keeper)
            try home.until("the child has written") { home.text("written") != nil }
            try home.until("the log is cut") { try Files.status(of: keeper.logFile).size <= 50_000 }
            #expect(try Files.status(of: keeper.logFile).identity == before.identity)
            try home.send("b\n", to: keeper)
            try home.until("the child writes on") { keeper.log.contains("after:b\n") }
            #expect(!keeper.log.contains("rotat"))
            #expect(!keeper.log.contains("\0"))
            #expect(home.names == KeeperHome.liveNames)
        }
    }

    @Test("A log without captured output is cut too")
    func rotatesWithoutCapture() throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: home.directory)
            try Posix.write(String(repeating: "x", count: 5000), to: "\(home.directory)/keeper-s.log")
            let keeper = try home.startReady(settings: ["PI_KEEPER_LOG_MAX_BYTES": "4000"])
            try home.until("it is ready") { keeper.log.contains("keeper ready: s") }
            #expect(keeper.log.utf8.count < 4000)
        }
    }

    @Test("A file size limit of the process stops the log, not the session")
    func survivesFileSizeLimit() throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: home.directory)
            // The limit counts in blocks of 512 bytes; the pid files still fit. ThreadSanitizer's own file does not, and is left
            // out where it finds no directory for it.
            try Posix.write(String(repeating: "x", count: 2048), to: "\(home.directory)/keeper-s.log")
            let keeper = try home.startReady(
                child: "while read line; do echo $line >>$HOME/out; done",
                shell: #"TEST_TMPDIR=/nowhere; export TEST_TMPDIR; ulimit -f 1; exec "$@""#)
            try home.send("a\n", to: keeper)
            try home.until("the line arrives") { home.text() == "a\n" }
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
        }
    }

    @Test("A session goes on while its disk is full, and without room for its pid file a keeper does not start")
    func survivesFullDisk() throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: home.directory)
            guard Posix.mountMemory(at: home.directory, options: "size=64k,mode=700") else {
                return withKnownIssue("skipped: mounting a file system is not permitted here") { Issue.record() }
            }
            defer { Posix.unmount(home.directory) }
            let keeper = try home.startReady()
            try home.until("the disk is full") {
                let file = try OpenFile("\(home.directory)/filler", .append)
                do throws(UVError) { try file.write([UInt8](repeating: 0, count: 4096)) } catch { return true }
                return false
            }
            for _ in 0..<100 { try home.send(String(repeating: "y", count: 100) + "\n", to: keeper) }
            try home.until("the lines arrive") { home.bytes()?.count == 10_100 }
            let other = try home.start("other")
            #expect(try home.runToEnd(other) == .exited(code: 2))
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.names == ["filler"])
        }
    }

    @Test("A message is cut after 16 KiB")
    func cutsMessage() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "exec cat; \(String(repeating: "x", count: 40_000))")
            let line = try #require(keeper.log.split(separator: "\n").first { $0.contains("spawning pi ") })
            #expect(line.contains("spawning pi /bin/sh -c exec cat; xxx"))
            #expect((16_384...16_500).contains(line.utf8.count), "\(line.utf8.count)")
        }
    }

    @Test("A log that cannot be cut grows on, and says so once a minute at most")
    func saysThatItCannotCut() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "while read line; do echo $line; done",
                settings: ["PI_KEEPER_CAPTURE_PI_OUTPUT": "1", "PI_KEEPER_LOG_MAX_BYTES": "5000"])
            try home.until("it is ready") { keeper.log.contains("keeper ready") }
            guard let strace = try Strace(keeper.pid, "ftruncate", "error=EIO", on: home.loop) else { return }
            for number in 1...20 {
                try home.send("\(number) \(String(repeating: "x", count: 1000))\n", to: keeper)
                try home.until("line \(number) is in the log") { keeper.log.contains("\n\(number) x") }
            }
            #expect(keeper.log.ranges(of: "cannot cut the log to nothing").count == 1)
            try strace.detach()
            try home.send("the next\n", to: keeper)
            try home.until("the log is cut") { !keeper.log.contains("\n20 x") && keeper.log.contains("the next") }
        }
    }
}
