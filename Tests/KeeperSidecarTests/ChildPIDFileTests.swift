import TestSupport
import Testing
import UVLoop

@Suite("Keeper: child's pid file") struct ChildPIDFileTests {
    @Test("It holds the child's pid, bare, with mode 0600")
    func holdsPID() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "echo $$ >$HOME/pid; exec cat")
            try home.until("the child has said its pid") { home.text("pid")?.isEmpty == false }
            #expect(home.text("pid") == "\(keeper.childPID!)\n")
            #expect(try Files.status(of: keeper.childPIDFile).permissions == 0o600)
        }
    }

    @Test("One that cannot be written is logged and stops nobody")
    func goesOnWithout() throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: "\(home.directory)/s.rpc.sock.pi-pid")
            let keeper = try home.start()
            try home.until("it is ready") { keeper.log.contains("keeper ready: s") }
            #expect(keeper.log.contains("cannot write pi-PID sidecar"))
            try home.send("a\n", to: keeper)
            try home.until("the line arrives") { home.text() == "a\n" }
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.names == ["s.rpc.sock.pi-pid"])
        }
    }

    @Test(
        "A file that somebody else has put in its place is not removed",
        arguments: [
            "s.rpc.sock", "s.rpc.sock.pid", "s.rpc.sock.pi-pid",
        ])
    func leavesForeignFile(name: String) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            try Posix.write("foreign", to: "\(home.directory)/\(name)")
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(try Files.read("\(home.directory)/\(name)", limit: 100) == Array("foreign".utf8))
            // Who has lost the pid file has lost the right to remove what may be the next keeper's.
            #expect(home.names == (name.hasSuffix(".pid") ? ["s.rpc.sock.pi-pid", name] : [name]))
        }
    }

    @Test("A keeper whose files are all gone ends in order")
    func endsWithoutFiles() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            removeTree(home.directory)
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
        }
    }
}
