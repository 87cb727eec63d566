import TestSupport
import Testing
import UVLoop

@Suite("Keeper: claim") struct SessionClaimTests {
    @Test("The pid file is a bare number with mode 0600, locked by the process it names")
    func writesPIDFile() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            #expect(try Files.read(keeper.pidFile, limit: 100) == Array("\(keeper.pid)".utf8))
            #expect(try Files.status(of: keeper.pidFile).permissions == 0o600)
            let file = try OpenFile(keeper.pidFile, .readWrite)
            #expect(try file.lockHolder() == .process(keeper.pid))
            try home.until("its files alone are there") { home.names == KeeperHome.liveNames }
        }
    }

    @Test("A second keeper exits with status 3 and changes nothing of the first")
    func refusesSecond() throws {
        try withKeeperHome { home in
            let first = try home.startReady()
            try home.send("before\n", to: first)
            let identities = try first.identities()
            let second = try home.start(
                child: "touch $HOME/second; exec cat", settings: ["PI_KEEPER_LOG_MAX_BYTES": "1"])
            #expect(try home.runToEnd(second) == .exited(code: 3))
            #expect(first.log.contains("is served by process \(first.pid)"))
            #expect(!first.log.contains("shutdown"))
            #expect(first.log.contains("keeper starting: session=s pid=\(first.pid)"))
            #expect(try first.identities() == identities)
            #expect(home.text("second") == nil)
            try home.send("after\n", to: first)
            try home.until("both lines arrive") { home.text() == "before\nafter\n" }
        }
    }

    @Test("A frozen keeper still holds its session")
    func respectsFrozen() throws {
        try withKeeperHome { home in
            let first = try home.startReady()
            try first.send(.stop)
            let second = try home.start()
            #expect(try home.runToEnd(second) == .exited(code: 3))
            try first.send(.continue)
            try home.send("a\n", to: first)
            try home.until("the line arrives") { home.text() == "a\n" }
        }
    }

    @Test("A keeper started while the one before it ends either runs whole or exits with status 3")
    func restarts() throws {
        try withKeeperHome { home in
            var old = try home.startReady()
            for round in 0..<25 {
                try old.send(.terminate)
                var new: KeeperProcess
                repeat {
                    new = try home.start()
                    try home.until("it runs or is refused") {
                        new.exitStatus != nil || new.listens
                    }
                    #expect(new.exitStatus == nil || new.exitStatus == .exited(code: 3))
                } while new.exitStatus != nil
                try home.until("the old one ends") { old.exitStatus != nil }
                try home.send("\(round)\n", to: new)
                try home.until("its files alone are there") { home.names == KeeperHome.liveNames }
                old = new
            }
            try home.until("the last line arrives") { home.text()?.hasSuffix("24\n") == true }
            // A line that was on its way to a child that is killed is lost; none is torn or doubled.
            let lines = home.text()!.split(separator: "\n").map { Int($0)! }
            #expect(lines == lines.sorted() && Set(lines).count == lines.count)
        }
    }

    @Test("A keeper whose sockets were removed still holds its session")
    func refusesSecondWithoutSocket() throws {
        try withKeeperHome { home in
            let first = try home.startReady()
            for path in [first.socket, "\(home.directory)/s.ctl.sock"] { try Files.unlink(path) }
            let second = try home.start()
            #expect(try home.runToEnd(second) == .exited(code: 3))
            #expect(first.log.contains("locked by process \(first.pid)"))
        }
    }

    @Test("Of 50 keepers started at once one runs, 49 exit with status 3, and there is one child")
    func elects() throws {
        try withKeeperHome { home in
            let keepers = try (0..<50).map { _ in
                try home.start(child: "echo $$ >>$HOME/children; exec cat >>$HOME/out")
            }
            try home.until("49 have ended") { keepers.count { $0.exitStatus != nil } >= 49 }
            #expect(keepers.count { $0.exitStatus == .exited(code: 3) } == 49)
            let winner = try #require(keepers.first { $0.exitStatus == nil })
            try home.until("the winner listens") { winner.listens }
            try home.send("a\n", to: winner)
            try home.until("the line arrives") { home.text() == "a\n" }
            #expect(home.text("children") == "\(winner.childPID!)\n")
            #expect(try Files.read(winner.pidFile, limit: 100) == Array("\(winner.pid)".utf8))
            try home.until("its files alone are there") { home.names == KeeperHome.liveNames }
        }
    }

    @Test("Files left by a killed keeper do not keep the next one from starting")
    func replacesStaleFiles() throws {
        try withKeeperHome { home in
            let first = try home.startReady()
            let child = first.childPID!
            try first.send(.kill)
            _ = try home.runToEnd(first)
            try home.until("its files alone are there") { home.names == KeeperHome.liveNames }
            // It ends by itself; while it runs, no keeper starts beside it.
            try home.until("its child ends") { Processes.liveness(of: child) == .gone }
            let second = try home.start()
            try home.until("the second listens") { second.listens }
            #expect(try Files.read(second.pidFile, limit: 100) == Array("\(second.pid)".utf8))
            try home.send("a\n", to: second)
            try home.until("the line arrives") { home.text() == "a\n" }
        }
    }

    @Test(
        "A pid file with anything in it that nobody has locked is replaced",
        arguments: ["", "1", "-1", "x\n", "99999999999"])
    func replacesGarbage(contents: String) throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: home.directory)
            try Posix.write(contents, to: "\(home.directory)/s.rpc.sock.pid")
            let keeper = try home.startReady()
            #expect(try Files.read(keeper.pidFile, limit: 100) == Array("\(keeper.pid)".utf8))
        }
    }

    @Test("Whoever holds the lock of a stale file for a moment delays a keeper and does not stop it")
    func waitsForSweeper() throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: home.directory)
            let path = "\(home.directory)/s.rpc.sock.pid"
            try Posix.write("1", to: path)
            // On a slow machine its patience of a second may be over before we are: once more.
            for round in 0... {
                let sweeper = try OpenFile(path, .readWrite)
                #expect(try sweeper.lockForDescription())
                let keeper = try home.start()
                // It sleeps only between two looks at the lock.
                try home.until("it waits") {
                    keeper.exitStatus != nil
                        || keeper.log.contains("pid=\(keeper.pid) ") && keeper.figures.isAsleep ?? true
                }
                #expect(keeper.childPID == nil)
                sweeper.close()
                try home.until("the keeper listens") { keeper.exitStatus != nil || keeper.listens }
                if keeper.exitStatus == .exited(code: 3), round < 20 { continue }
                #expect(keeper.exitStatus == nil)
                break
            }
        }
    }

    @Test("A lock that no keeper holds and that stays is status 3 after a second, and TERM does not wait for it")
    func givesUp() throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: home.directory)
            let path = "\(home.directory)/s.rpc.sock.pid"
            try Posix.write("1", to: path)
            let holder = try OpenFile(path, .readWrite)
            #expect(try holder.lockForDescription())
            let waiting = try home.start()
            // On a slow machine its second may be over before it is told: once more.
            for round in 0... {
                let told = try home.start()
                try home.until("it waits") { told.exitStatus != nil || told.log.contains("pid=\(told.pid) ") }
                if told.exitStatus == nil { try told.send(.terminate) }
                let status = try home.runToEnd(told)
                if status == .exited(code: 3), round < 20 { continue }
                #expect(status == .exited(code: 0))
                break
            }
            #expect(try home.runToEnd(waiting) == .exited(code: 3))
            #expect(waiting.log.contains("held, and not by a keeper"))
            #expect(home.names == ["s.rpc.sock.pid"])
        }
    }

    @Test("A pid path that is no file is status 2, and stays", arguments: ["directory", "link", "pipe"])
    func refusesPIDPath(kind: String) throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: home.directory)
            let path = "\(home.directory)/s.rpc.sock.pid"
            switch kind {
            case "directory": try Files.makeDirectory(at: path)
            case "link": try Posix.makeSymbolicLink(at: path, to: "\(home.base)/elsewhere")
            default: try Posix.makeNamedPipe(at: path)
            }
            let keeper = try home.start()
            #expect(try home.runToEnd(keeper) == .exited(code: 2))
            #expect(keeper.log.contains("cannot write the pid file \(path)"))
            #expect(keeper.log.contains("remove it"))
            #expect(home.names == ["s.rpc.sock.pid"])
            #expect(home.text("elsewhere") == nil)
        }
    }

    @Test("A keeper killed at any point of its start leaves nothing that the next one stumbles over")
    func survivesKillAtRandom() throws {
        try withKeeperHome { home in
            var generator = SystemRandomNumberGenerator()
            for round in 0..<60 {
                let keeper = try home.start(child: "echo x >>$HOME/starts; exec cat")
                try home.run(for: .microseconds(.random(in: 0...15_000, using: &generator)))
                try keeper.send(.kill)
                _ = try home.runToEnd(keeper)
                #expect(keeper.exitStatus == .signaled(.kill), "round \(round): \(keeper.log)")
                // Its child ends by itself. Until then, which may take long on a slow machine, no keeper starts.
                if let child = keeper.childPID {
                    try home.until("the child ends") { Processes.liveness(of: child) == .gone }
                }
            }
            let keeper = try home.start()
            try home.until("the last one listens") { keeper.log.contains("ready: s") }
            #expect(keeper.exitStatus == nil)
            #expect(ProcessDetails(of: keeper.childPID!)?.parent == keeper.pid)
            try home.send("a\n", to: keeper)
            try home.until("the line arrives") { home.text() == "a\n" }
        }
    }
}
