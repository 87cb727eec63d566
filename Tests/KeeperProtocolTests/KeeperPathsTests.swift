import KeeperProtocol
import Testing

@Suite("Keeper paths")
struct KeeperPathsTests {
    let posix = KeeperPaths(directory: "/s", platform: .posix)
    let windows = KeeperPaths(directory: #"C:\s"#, platform: .windows)

    // MARK: - From a session to its paths

    @Test("On POSIX every path is the one of the contract")
    func posixPaths() throws {
        let id: SessionID = "a.b-1"
        #expect(posix.socket(for: id) == "/s/a.b-1.rpc.sock")
        #expect(posix.keeperPID(for: id) == "/s/a.b-1.rpc.sock.pid")
        #expect(posix.childPID(for: id) == "/s/a.b-1.rpc.sock.pi-pid")
        #expect(posix.log(for: id) == "/s/keeper-a.b-1.log")
        #expect(posix.launchLog(for: id) == "/s/keeper-launch-a.b-1.log")
    }

    @Test("On Windows every path is the one of the contract")
    func windowsPaths() throws {
        let id: SessionID = "a.b-1"
        #expect(windows.socket(for: id) == #"\\.\pipe\pi-rpc-a.b-1"#)
        #expect(windows.keeperPID(for: id) == #"C:\s\pi-rpc-a.b-1.pid"#)
        #expect(windows.childPID(for: id) == #"C:\s\pi-rpc-a.b-1.pi-pid"#)
        #expect(windows.log(for: id) == #"C:\s\keeper-a.b-1.log"#)
        #expect(windows.launchLog(for: id) == #"C:\s\keeper-launch-a.b-1.log"#)
    }

    @Test(
        "Separators at the end of the directory are dropped, but a root stays",
        arguments: [
            ("/s", KeeperPlatform.posix, "/s", "/s/keeper-x.log"),
            ("/s/", .posix, "/s", "/s/keeper-x.log"),
            ("/s///", .posix, "/s", "/s/keeper-x.log"),
            ("/", .posix, "/", "/keeper-x.log"),
            ("//", .posix, "/", "/keeper-x.log"),
            ("", .posix, "", "keeper-x.log"),
            (".", .posix, ".", "./keeper-x.log"),
            ("/a b/é", .posix, "/a b/é", "/a b/é/keeper-x.log"),
            (#"/s\"#, .posix, #"/s\"#, #"/s\/keeper-x.log"#),
            (#"C:\s\"#, .windows, #"C:\s"#, #"C:\s\keeper-x.log"#),
            ("C:/s/", .windows, "C:/s", #"C:/s\keeper-x.log"#),
            (#"C:\"#, .windows, #"C:\"#, #"C:\keeper-x.log"#),
            ("C:/", .windows, "C:/", "C:/keeper-x.log"),
        ]
    )
    func normalises(directory: String, platform: KeeperPlatform, kept: String, log: String) throws {
        let paths = KeeperPaths(directory: directory, platform: platform)
        #expect(paths.directory == kept)
        #expect(paths.log(for: "x") == log)
        #expect(paths == KeeperPaths(directory: kept, platform: platform))
    }

    // MARK: - From a file name back to its session

    @Test("A keeper's pid file leads back to its session", arguments: ["x", "a.b-1", "x.rpc.sock", "x.rpc.sock.pid"])
    func roundTripsKeeperPID(text: String) throws {
        let id = try SessionID(text)
        for paths in [posix, windows] {
            #expect(paths.sessionID(ofKeeperPIDFileNamed: fileName(paths.keeperPID(for: id))) == id)
            #expect(paths.sessionID(ofKeeperPIDFileNamed: fileName(paths.childPID(for: id))) == nil)
            #expect(paths.sessionID(ofKeeperPIDFileNamed: fileName(paths.log(for: id))) == nil)
        }
        #expect(posix.sessionID(ofKeeperPIDFileNamed: fileName(posix.socket(for: id))) == nil)
    }

    @Test(
        "Other names are no keeper's pid file",
        arguments: [
            "", ".pid", ".rpc.sock.pid", "x", "x.pid", "x.rpc.sock", "x.rpc.sock.pi-pid", "x.rpc.sock.pid.tmp",
            "..rpc.sock.pid", "-x.rpc.sock.pid", "a b.rpc.sock.pid", "a/b.rpc.sock.pid", "é.rpc.sock.pid",
            "x\u{301}.rpc.sock.pid", "x.rpc.sock.pid\u{301}", "x.rpc.sock.pid\n", "pi-rpc-x.pid",
            "x.rpc.sock.pid.abcde.tmp", String(repeating: "a", count: 129) + ".rpc.sock.pid",
        ]
    )
    func refusesOnPosix(name: String) {
        #expect(posix.sessionID(ofKeeperPIDFileNamed: name) == nil)
    }

    @Test(
        "Other names are no keeper's pid file on Windows",
        arguments: ["", ".pid", "pi-rpc-.pid", "pi-rpc-x", "x.rpc.sock.pid", "pi-rpc-x.pi-pid", "pi-rpc-é.pid"]
    )
    func refusesOnWindows(name: String) {
        #expect(windows.sessionID(ofKeeperPIDFileNamed: name) == nil)
    }

    @Test("A log leads back to its session, and never to two kinds of log")
    func parsesLogs() throws {
        #expect(posix.sessionID(ofKeeperLogNamed: "keeper-x.log")?.rawValue == "x")
        #expect(posix.sessionID(ofLaunchLogNamed: "keeper-x.log") == nil)
        #expect(posix.sessionID(ofKeeperLogNamed: "keeper-launch.log")?.rawValue == "launch")
        #expect(posix.sessionID(ofLaunchLogNamed: "keeper-launch.log") == nil)
        #expect(posix.sessionID(ofLaunchLogNamed: "keeper-launch-x.log")?.rawValue == "x")
        #expect(posix.sessionID(ofKeeperLogNamed: "keeper-launch-x.log") == nil)
        #expect(posix.sessionID(ofLaunchLogNamed: "keeper-launch-launch-x.log")?.rawValue == "launch-x")
        for name in ["keeper-.log", "keeper-launch-.log", "keeper-x.log.1", "keeper-x", "xkeeper-x.log", ".log", ""] {
            #expect(posix.sessionID(ofKeeperLogNamed: name) == nil)
            #expect(posix.sessionID(ofLaunchLogNamed: name) == nil)
        }
    }

    @Test("A socket's name is a session's, a pid file's is no socket's")
    func recognisesSockets() {
        #expect(posix.sessionID(ofSocketNamed: "x.rpc.sock")?.rawValue == "x")
        for name in [".rpc.sock", "x.rpc.sock.pid", "x.rpc.sock.pi-pid", ".a1b2c.s", "-x.rpc.sock", ""] {
            #expect(posix.sessionID(ofSocketNamed: name) == nil)
        }
        #expect(windows.sessionID(ofSocketNamed: "x.rpc.sock") == nil)
    }

    // MARK: - How long a socket's path may be

    @Test("The bytes left count the whole path, in bytes")
    func countsBytesLeft() throws {
        let id: SessionID = "x"
        #if os(Linux)
        #expect(KeeperPaths.maximumSocketPathLength == 107)
        #endif
        #expect(posix.socketPathBytesLeft(for: id) == KeeperPaths.maximumSocketPathLength - "/s/x.rpc.sock".utf8.count)
        let exact = String(repeating: "d", count: KeeperPaths.maximumSocketPathLength - "//x.rpc.sock".utf8.count)
        #expect(KeeperPaths(directory: "/\(exact)", platform: .posix).socketPathBytesLeft(for: id) == 0)
        #expect(KeeperPaths(directory: "/\(exact)dd", platform: .posix).socketPathBytesLeft(for: id) == -2)
        #expect(KeeperPaths(directory: "/\(exact.dropLast())é", platform: .posix).socketPathBytesLeft(for: id) == -1)
        #expect(windows.socketPathBytesLeft(for: id) == .max)
    }

    // MARK: - Temporary names

    @Test("A temporary socket's path is never longer than the shortest final one")
    func temporarySocketFits() throws {
        let shortest = posix.socket(for: "a").utf8.count
        for random in [0, 1, 35, 36, 60_466_175, 60_466_176, .max] as [UInt64] {
            let path = posix.temporarySocketName(random: random)
            #expect(path.utf8.count <= shortest)
            #expect(KeeperPaths.isTemporarySocketName(fileName(path)))
        }
        #expect(posix.temporarySocketName(random: 0) == "/s/.00000.s")
        #expect(posix.temporarySocketName(random: 35) == "/s/.z0000.s")
        #expect(posix.temporarySocketName(random: 60_466_175) == "/s/.zzzzz.s")
        #expect(KeeperPaths(directory: "/", platform: .posix).temporarySocketName(random: 1) == "/.10000.s")
    }

    @Test(
        "Other names are no temporary socket",
        arguments: ["", ".s", "..s", ".abcd.s", ".abcdef.s", ".ABCDE.s", "abcde.s", ".abcde.t", ".abc-e.s", ".éabc.s"]
    )
    func refusesTemporarySocket(name: String) {
        #expect(!KeeperPaths.isTemporarySocketName(name))
    }

    @Test("A temporary file stands next to the file it will replace")
    func temporaryFile() {
        let path = posix.temporaryFile(for: "/s/x.rpc.sock.pid", random: 36)
        #expect(path == "/s/x.rpc.sock.pid.01000.tmp")
        #expect(KeeperPaths.isTemporaryFileName(path))
        #expect(KeeperPaths.isTemporaryFileName("x.rpc.sock.pid.01000.tmp"))
    }

    @Test(
        "Other names are no temporary file",
        arguments: ["", ".tmp", "x.tmp", ".abcde.tmp", "x.abcd.tmp", "x.abcdef.tmp", "x-abcde.tmp", "x.ABCDE.tmp"]
    )
    func refusesTemporaryFile(name: String) {
        #expect(!KeeperPaths.isTemporaryFileName(name))
    }

    @Test("No path of a session is taken for a temporary name", arguments: ["a", "a.abcde.tmp", "abcde.s", "0.s"])
    func keepsNamesApart(text: String) throws {
        let id = try SessionID(text)
        var all = [posix.socket(for: id)]
        for paths in [posix, windows] {
            all += [paths.keeperPID(for: id), paths.childPID(for: id), paths.log(for: id), paths.launchLog(for: id)]
        }
        for name in all.map(fileName) {
            #expect(!KeeperPaths.isTemporarySocketName(name))
            #expect(!KeeperPaths.isTemporaryFileName(name))
        }
    }

    private func fileName(_ path: String) -> String {
        String(path.split { $0 == "/" || $0 == "\\" }.last ?? "")
    }
}
