import TestSupport
import Testing
import UVLoop

@Suite("Keeper: signals") struct KeeperSignalsTests {
    @Test("SIGUSR1 makes a lost socket anew, private, and leaves one that is in its place")
    func renewsSocket() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let identity = try keeper.identities()[0]
            try keeper.send(.user1)
            try home.until("the keeper says so") { keeper.log.contains("the socket is in its place") }
            #expect(try keeper.identities()[0] == identity)
            let client = try KeeperClient(to: keeper.socket, on: home.loop)
            client.write("old ")
            try home.until("it is sent") { client.hasSentAll }
            try Files.unlink(keeper.socket)
            try keeper.send(.user1)
            try home.until("it listens") { keeper.listens }
            #expect(try Files.status(of: keeper.socket).permissions == 0o600)
            try home.send("new\n", to: keeper)
            client.write("line\n")
            client.finish()
            try home.until("both lines arrive") { home.text() == "new\nold line\n" }
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.names.isEmpty)
        }
    }

    @Test("A socket that somebody else serves by now is not taken from them")
    func respectsOther() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            try Files.unlink(keeper.socket)
            let other = try PipeListener(bindingTo: keeper.socket, on: home.loop)
            try other.listen { _, client in if case .success(let stream) = client { stream.close() } }
            try keeper.send(.user1)
            try home.until("the keeper says so") { keeper.log.contains("SIGUSR1: cannot make the socket anew") }
            #expect(try Files.status(of: keeper.socket).identity == other.identity)
            try Files.unlink(keeper.socket)
        }
    }

    @Test(
        "Stray signals end nothing",
        arguments: [
            "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "HUP", "PIPE", "XFSZ", "TRAP", "SYS", "32", "33", "RTMIN+2",
            "RTMAX",
        ])
    func ignoresStray(name: String) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let sender = try ChildProcess(
                .init(executable: "/bin/bash", arguments: ["-c", "kill -\(name) \(keeper.pid)"]), on: home.loop
            ) { _, _ in }
            try home.until("it is sent") { !sender.isRunning }
            #expect(sender.exitStatus == .exited(code: 0))
            try home.send("a\n", to: keeper)
            try home.until("the line arrives") { home.text() == "a\n" }
            #expect(keeper.exitStatus == nil)
        }
    }

    @Test("SIGQUIT and SIGXCPU end a session in order", arguments: [Signal.quit, .processorTimeExceeded])
    func endsInOrder(signal: Signal) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            try keeper.send(signal)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.log.contains("shutdown: code=0 reason=\(signal)"))
            #expect(home.names.isEmpty)
        }
    }

    @Test("A keeper whose starter had signals blocked ends on them, and its child has none blocked or ignored")
    func unblocks() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "grep -E '^Sig(Blk|Ign):' /proc/self/status >$HOME/signals; exec cat",
                shell: #"exec env --block-signal=TERM,INT,USR1,CHLD,HUP "$@""#)
            try home.until("the child has said it") { home.text("signals")?.contains("SigIgn") == true }
            #expect(home.text("signals") == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n")
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
        }
    }

    @Test(
        "Whatever mask it was started with, files are 0600 and directories 0700, and the child gets that mask",
        arguments: ["0000", "0022", "0117", "0277", "0777"])
    func setsModes(mask: String) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "umask >$HOME/mask; exec cat", shell: #"touch $HOME/mask; umask \#(mask); exec "$@""#)
            try home.until("the child has said it") { home.text("mask")?.hasSuffix("\n") == true }
            #expect(home.text("mask") == "\(mask)\n")
            for file in [keeper.socket, keeper.pidFile, keeper.childPIDFile, keeper.logFile] {
                #expect(try Files.status(of: file).permissions == 0o600, "\(file)")
            }
            #expect(try Files.status(of: home.directory).permissions == 0o700)
        }
    }
}
