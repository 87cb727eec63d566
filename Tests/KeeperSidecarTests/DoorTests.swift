import TestSupport
import Testing
import UVLoop

@Suite("Keeper: socket") struct DoorTests {
    @Test("A path of 107 bytes works; one byte more is status 2, says so, and leaves nothing")
    func boundsPath() throws {
        try withKeeperHome { home in
            let id = String(repeating: "a", count: SocketPath.maximumLength - home.directory.utf8.count - 10)
            let keeper = try home.startReady(id)
            #expect(keeper.socket.utf8.count == SocketPath.maximumLength)
            try home.send("a\n", to: keeper)
            try home.until("the line arrives") { home.text() == "a\n" }
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            let longer = try home.start(id + "a")
            #expect(try home.runToEnd(longer) == .exited(code: 2))
            #expect(longer.log.contains("1 bytes too long"))
            #expect(longer.log.contains("shorter"))
            #expect(home.names.isEmpty)
        }
    }

    @Test("A directory at the socket's path is status 2, and stays")
    func refusesDirectory() throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: "\(home.directory)/s.rpc.sock")
            let keeper = try home.start()
            #expect(try home.runToEnd(keeper) == .exited(code: 2))
            #expect(keeper.log.contains("remove what is there"))
            #expect(home.names == ["s.rpc.sock"])
        }
    }

    @Test(
        "A regular file or a dangling link at the socket's path is replaced, as the original does",
        arguments: [true, false])
    func replacesFile(isLink: Bool) throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: home.directory)
            let path = "\(home.directory)/s.rpc.sock"
            if isLink {
                try Posix.makeSymbolicLink(at: path, to: "\(home.base)/elsewhere")
            } else {
                try Posix.write("x", to: path)
            }
            let keeper = try home.startReady()
            #expect(try Files.status(of: path, followingLinks: false).kind == .socket)
            try home.send("a\n", to: keeper)
            try home.until("the line arrives") { home.text() == "a\n" }
        }
    }

    @Test("A link to somebody's live socket is status 3, and stays")
    func respectsLink() throws {
        try withKeeperHome { home in
            let other = try home.startReady("other")
            try Posix.makeSymbolicLink(at: "\(home.directory)/s.rpc.sock", to: other.socket)
            let keeper = try home.start()
            #expect(try home.runToEnd(keeper) == .exited(code: 3))
            #expect(try Files.status(of: keeper.socket, followingLinks: false).kind == .symbolicLink)
        }
    }

    @Test(
        "A live listener without a lock, as the original's, is status 3 and stays untouched", arguments: [true, false])
    func respectsForeignListener(isBusy: Bool) throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: home.directory)
            let path = "\(home.directory)/s.rpc.sock"
            let listener = try PipeListener(bindingTo: path, on: home.loop)
            try listener.listen(backlog: isBusy ? 0 : 511) { _, result in try? result.get().close() }
            var filler: KeeperClient?
            if isBusy {
                listener.pause()
                filler = try KeeperClient(to: path, on: home.loop)
            }
            let keeper = try home.start()
            #expect(try home.runToEnd(keeper) == .exited(code: 3))
            #expect(keeper.log.contains("the socket \(path) is served by"))
            #expect(home.names == ["s.rpc.sock"])
            #expect(try Files.status(of: path).identity == listener.identity)
            filler?.close()
        }
    }

    @Test("Watched from outside, files are never too open, never empty, and no socket is there before its child")
    func publishesComplete() throws {
        try withKeeperHome { home in
            let watcher = try DirectoryWatcher(home.directory)
            for round in 0..<25 {
                let keeper = try home.startReady(
                    "s\(round)", child: "echo x >$HOME/.pi/dashboard/sessions/child-$$; exec cat",
                    shell: #"umask 0; exec "$@""#)
                try keeper.send(.terminate)
                #expect(try home.runToEnd(keeper) == .exited(code: 0))
            }
            let seen = watcher.stop()
            #expect(seen.rounds > 100)
            #expect(seen.complaints == [])
            #expect(seen.sockets > 0 && seen.pidFiles > 0)
        }
    }

    @Test("A socket accepts from the moment it has its name")
    func acceptsFromFirstInstant() throws {
        try withKeeperHome { home in
            for round in 0..<25 {
                let keeper = try home.start("s\(round)")
                var first: SocketProbe?
                try home.until("the socket is there") {
                    let probe = SocketProbe(keeper.socket)
                    if probe != .missing { first = probe }
                    return first != nil
                }
                #expect(first == .accepting(pid: keeper.pid))
            }
        }
    }

    @Test("While the child is being started the socket has no name yet")
    func hidesSocketWithoutChild() throws {
        try withKeeperHome { home in
            let keeper = try home.start(settings: ["PI_KEEPER_PI_CMD": #"["/nonexistent"]"#])
            var seen: Set<String> = []
            try home.until("it ends") {
                seen.formUnion(home.names)
                return keeper.exitStatus != nil
            }
            #expect(!seen.contains("s.rpc.sock"))
            #expect(keeper.exitStatus == .exited(code: 1))
        }
    }
}
