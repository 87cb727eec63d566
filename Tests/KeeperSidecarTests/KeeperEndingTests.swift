import TestSupport
import Testing
import UVLoop

@Suite("Keeper: ending") struct KeeperEndingTests {
    private static let deaf = "trap '' TERM INT HUP; echo x >$HOME/deaf; while :; do read line || sleep 60; done"

    @Test(
        "SIGTERM and SIGINT kill a child that ignores them, remove all files, and are status 0",
        arguments: [
            Signal.terminate, .interrupt,
        ])
    func kills(signal: Signal) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.deaf)
            try home.until("the child is deaf") { home.text("deaf") == "x\n" }
            try keeper.send(signal)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.log.contains("\(signal) received"))
            #expect(keeper.log.contains("pi exited code=null signal=SIGKILL"))
            #expect(keeper.log.contains("shutdown"))
            #expect(home.names.isEmpty)
        }
    }

    @Test("SIGHUP and SIGPIPE are ignored", arguments: [Signal.hangUp, .brokenPipe])
    func ignores(signal: Signal) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            for _ in 0..<3 { try keeper.send(signal) }
            try home.send("a\n", to: keeper)
            try home.until("the line arrives") { home.text() == "a\n" }
            #expect(keeper.exitStatus == nil)
        }
    }

    @Test(
        "A line that comes in the same moment as SIGTERM finds a stdin that is closed, or not yet",
        arguments: [true, false])
    func endsAsLineComes(isSignalFirst: Bool) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "kill -STOP $$; exec cat")
            let clients = try (0..<8).map { _ in try KeeperClient(to: keeper.socket, on: home.loop) }
            try home.until("all are connected") { clients.allSatisfy { $0.isConnected } }
            try home.untilAtRest(keeper)
            // Both wait for the keeper's next look, in this order.
            try keeper.send(.stop)
            if isSignalFirst { try keeper.send(.terminate) }
            for client in clients { client.write("line\n") }
            try home.until("all have sent it") { clients.allSatisfy { $0.hasSentAll } }
            try keeper.send(.terminate)
            try keeper.send(.continue)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.names.isEmpty)
        }
    }

    @Test("A storm of signals ends a keeper once", arguments: [1, 2])
    func survivesStorm(round: Int) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            for _ in 0..<20 {
                for signal in [Signal.terminate, .interrupt, .hangUp] { try? keeper.send(signal) }
            }
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(
                keeper.log.split(separator: "\n").filter { $0.contains("] shutdown: code=0 reason=SIG") }.count == 1)
            #expect(home.names.isEmpty)
        }
    }

    @Test(
        "A child that has closed its stdin works on; a line for it is dropped with a word, and ends nothing",
        arguments: [0, 1, 100_000])
    func livesWithClosedStandardInput(length: Int) throws {
        let line = String(repeating: "x", count: length) + "\n"
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "read a; exec <&-; echo x >$HOME/closed; while ! [ -e $HOME/go ]; do sleep 0.01; done; exit 3")
            try home.until("it is ready") { keeper.log.contains("keeper ready: s") }
            let early = try KeeperClient(to: keeper.socket, on: home.loop)
            try home.until("it is connected") { early.isConnected }
            try home.send("close\n", to: keeper)
            try home.until("the child has closed it") { home.text("closed") == "x\n" }
            for client in [early, try KeeperClient(to: keeper.socket, on: home.loop)] {
                client.write(line)
                client.finish()
                try home.until("it is read to its end") { client.isEnded }
                #expect(client.error == nil)
            }
            #expect(keeper.log.contains("drop line: pi's stdin is closed; \(line.utf8.count) bytes for it are lost"))
            #expect(keeper.exitStatus == nil)
            try Posix.write("", to: "\(home.base)/go")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.log.contains("pi does not read its stdin any more: EPIPE"))
            #expect(keeper.log.contains("pi exited code=3 signal=null"))
            #expect(home.names.isEmpty)
        }
    }

    @Test("A child that ends while lines come in leaves nothing, and its own exit status is in the log")
    func endsUnderLoad() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "while ! [ -e $HOME/go ]; do sleep 0.01; done; head -c 100000 >$HOME/out; exit 5")
            try home.until("it is ready") { keeper.log.contains("keeper ready: s") }
            let clients = try (0..<8).map { _ in
                let client = try KeeperClient(to: keeper.socket, on: home.loop)
                client.write([UInt8](repeating: 0x0A, count: 1 << 20))
                return client
            }
            try home.until("all are connected") { clients.allSatisfy { $0.isConnected } }
            try Posix.write("", to: "\(home.base)/go")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.log.contains("pi exited code="))
            try home.until("the clients know") { clients.allSatisfy { $0.isEnded } }
            #expect(home.names.isEmpty)
        }
    }

    @Test("A child that fails is status 1, also if a line comes in the same moment", arguments: [false, true])
    func failsUnderLoad(hasLine: Bool) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "exec sleep 1000")
            let client = try KeeperClient(to: keeper.socket, on: home.loop)
            client.write("before\n")
            let child = try #require(Int32(String(decoding: Files.read(keeper.childPIDFile, limit: 16), as: UTF8.self)))
            // It learns of both at once; within its crash window, but on a very slow machine.
            try keeper.send(.stop)
            try Processes.send(.kill, to: child)
            try home.until("the child has ended") { Processes.liveness(of: child) == .gone }
            if hasLine { client.write("line\n") }
            try keeper.send(.continue)
            let status = try home.runToEnd(keeper)
            let isLate = keeper.log.contains("keeper ready")
            #expect(status == .exited(code: isLate ? 0 : 1))
            #expect(keeper.log.contains("pi ended within its crash window") != isLate)
        }
    }

    @Test("A signal at any point of the start ends a keeper in order, child included")
    func endsDuringStart() throws {
        try withKeeperHome { home in
            for round in 0..<30 {
                let keeper = try home.start()
                // From here on signals are caught.
                try home.until("it runs") { keeper.log.contains("pid=\(keeper.pid) ") }
                try home.run(for: .microseconds(round * 150))
                try keeper.send(.terminate)
                _ = try home.runToEnd(keeper)
                let wasEarly = keeper.exitStatus == .signaled(.terminate)
                #expect(wasEarly || keeper.exitStatus == .exited(code: 0), "\(keeper.exitStatus!)")
                if !wasEarly { #expect(home.names.isEmpty) }
            }
        }
    }

    @Test("Files of another keeper of the same session are not removed by one that ends")
    func leavesNextKeeper() throws {
        try withKeeperHome { home in
            let first = try home.startReady()
            // Somebody cleans up by force while the first still runs.
            for path in [first.socket, "\(home.directory)/s.ctl.sock", first.pidFile, first.childPIDFile] {
                try Files.unlink(path)
            }
            let second = try home.startReady()
            let identities = try second.identities()
            try first.send(.terminate)
            #expect(try home.runToEnd(first) == .exited(code: 0))
            #expect(try second.identities() == identities)
            try home.send("a\n", to: second)
            try home.until("the line arrives") { home.text() == "a\n" }
        }
    }

    @Test("Without pidfds, a child's end is noticed by SIGCHLD: by itself, early, and on SIGTERM")
    func endsWithoutPidfds() throws {
        try withKeeperHome { home in
            let shell = "exec \(BuiltProducts.executable("uvloop-test-helper")) without-pidfds " + #""$@""#
            let keeper = try home.startReady(child: "read line; exit 7", shell: shell)
            try home.until("it is ready") { keeper.log.contains("keeper ready: s") }
            try home.send("go\n", to: keeper)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.log.contains("pi exited code=7 signal=null"))
            let failing = try home.start("early", child: "kill -KILL $$", shell: shell)
            _ = try home.runToEnd(failing)
            #expect(failing.log.contains("pi exited code=null signal=SIGKILL"))
            let stopped = try home.startReady("stopped", child: "(setsid sleep 600) & exec cat", shell: shell)
            try stopped.send(.terminate)
            #expect(try home.runToEnd(stopped) == .exited(code: 0))
            #expect(stopped.log.contains("pi exited code=null signal=SIGKILL"))
            #expect(home.names.isEmpty)
        }
    }
}
