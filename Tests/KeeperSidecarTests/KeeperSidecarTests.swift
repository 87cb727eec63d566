import TestSupport
import Testing
import UVLoop

@Suite("Keeper: command line") struct KeeperSidecarTests {
    @Test(
        "Anything but one session id is refused on stderr with status 2, before any file exists",
        arguments: [
            ([], "expected one argument"),
            (["a", "b"], "got 2"),
            ([""], "empty"),
            (["../x"], "must start with"),
            (["a/b"], "offset 1"),
            ([".hidden"], "must start with"),
            (["-v"], "must start with"),
            (["a\u{1F600}"], "offset 1"),
            (["a\nb"], "a\\nb"),
            ([String(repeating: "a", count: 129)], "129 bytes"),
        ] as [([String], String)])
    func refusesArguments(arguments: [String], reason: String) throws {
        try withKeeperHome { home in
            let keeper = try home.start(arguments: arguments)
            #expect(try home.runToEnd(keeper) == .exited(code: 2))
            #expect(keeper.standardError.hasPrefix("uvkeeper-sidecar: "))
            #expect(keeper.standardError.contains(reason))
            #expect(try Files.names(inDirectory: home.base).isEmpty)
        }
    }

    @Test("Help and version are printed with status 0", arguments: ["--help", "-h", "--version"])
    func helps(argument: String) throws {
        try withKeeperHome { home in
            let keeper = try home.start(arguments: [argument], shell: #"exec "$@" >$HOME/printed"#)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.text("printed")!.contains("uvkeeper-sidecar"))
        }
    }

    @Test("A stderr that nobody reads does not change the status")
    func survivesBrokenStandardError() throws {
        try withKeeperHome { home in
            let keeper = try home.start(arguments: [], shell: #"{ sleep 0.1; "$@"; echo $? >$HOME/status; } 2>&1 | :"#)
            _ = try home.runToEnd(keeper)
            try home.until("the status is known") { home.text("status") != nil }
            #expect(home.text("status") == "2\n")
        }
    }

    @Test("Standard descriptors that are closed at the start are replaced, not reused")
    func opensMissingDescriptors() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(shell: #"exec "$@" <&- >&- 2>&-"#)
            try home.send("a\n", to: keeper)
            try home.until("the line arrives") { home.text() == "a\n" }
            #expect(keeper.figures.descriptors.starts(with: ["0", "1"]))
            #expect(!keeper.log.contains("Fatal"))
        }
    }

    @Test("Stray descriptors of whoever starts a keeper are closed, and reach no child")
    func closesStrayDescriptors() throws {
        try withKeeperHome { home in
            try Posix.write("x", to: "\(home.base)/stray")
            let keeper = try home.startReady(
                child: "ls /proc/$$/fd >$HOME/fds; exec cat", shell: #"exec "$@" 7<$HOME/stray 9<$HOME/stray"#)
            try home.until("the child has looked") { home.text("fds")?.contains("2") == true }
            #expect(home.text("fds")!.split(separator: "\n").filter { Int($0)! < 10 } == ["0", "1", "2"])
            let targets = try keeper.figures.descriptors.map {
                try Files.realPathOfDescriptor($0, of: keeper.pid)
            }
            #expect(!targets.contains("\(home.base)/stray"))
        }
    }
}

extension Files {
    fileprivate static func realPathOfDescriptor(_ name: String, of pid: Int32) throws -> String {
        // Sockets and pipes have no path.
        do throws(UVError) { return try Files.realPath(of: "/proc/\(pid)/fd/\(name)") } catch { return "" }
    }
}
