import TestSupport
import Testing
import UVLoop

@Suite("Keeper: launch") struct KeeperLaunchTests {
    @Test("The sessions directory is made with mode 0700, the log with 0600")
    func makesDirectory() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(shell: #"umask 0; exec "$@""#)
            for path in [home.directory, "\(home.base)/.pi", "\(home.base)/.pi/dashboard"] {
                #expect(try Files.status(of: path).permissions == 0o700)
            }
            #expect(try Files.status(of: keeper.logFile).permissions == 0o600)
        }
    }

    @Test(
        "A file where the sessions directory should be is refused with status 2",
        arguments: [
            ".pi", ".pi/dashboard", ".pi/dashboard/sessions",
        ])
    func refusesFileForDirectory(name: String) throws {
        try withKeeperHome { home in
            if let parent = Files.parent(of: "\(home.base)/\(name)") { try Files.makeDirectory(at: parent) }
            try Posix.write("mine", to: "\(home.base)/\(name)")
            let keeper = try home.start()
            #expect(try home.runToEnd(keeper) == .exited(code: 2))
            #expect(keeper.standardError.contains("cannot make the sessions directory"))
            #expect(home.text(name) == "mine")
        }
    }

    @Test(
        "A directory in which nothing can be made is status 2",
        arguments: [("size=64k,mode=700,nr_inodes=1", false, "ENOSPC"), ("size=64k,mode=700", true, "EROFS")])
    func refusesUnwritableDirectory(options: String, isReadOnly: Bool, error: String) throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: home.directory)
            guard Posix.mountMemory(at: home.directory, options: options, isReadOnly: isReadOnly) else {
                return withKnownIssue("skipped: mounting a file system is not permitted here") { Issue.record() }
            }
            defer { Posix.unmount(home.directory) }
            let keeper = try home.start()
            #expect(try home.runToEnd(keeper) == .exited(code: 2))
            #expect(keeper.standardError.contains(error))
            #expect(home.names.isEmpty)
        }
    }

    @Test("A sessions directory that everybody may write to is refused with status 2")
    func refusesExposedDirectory() throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: home.directory)
            try Posix.setPermissions(0o777, of: home.directory)
            let keeper = try home.start()
            #expect(try home.runToEnd(keeper) == .exited(code: 2))
            #expect(keeper.standardError.contains("is not private: everybody may write to it, its mode is 777"))
            #expect(home.names.isEmpty)
        }
    }

    @Test("PI_KEEPER_SESSIONS_DIR is the sessions directory itself")
    func takesDirectory() throws {
        try withKeeperHome { home in
            let keeper = try home.start(settings: ["PI_KEEPER_SESSIONS_DIR": "\(home.base)/d/"])
            try home.until("it listens") { (try? Files.status(of: "\(home.base)/d/s.rpc.sock")) != nil }
            #expect(try Files.names(inDirectory: home.base).filter { $0 != "out" } == ["d"])
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
        }
    }

    @Test("A log path that is no file is refused with status 2 on stderr", arguments: ["directory", "link", "pipe"])
    func refusesLogPath(kind: String) throws {
        try withKeeperHome { home in
            try Files.makeDirectory(at: home.directory)
            let path = "\(home.directory)/keeper-s.log"
            switch kind {
            case "directory": try Files.makeDirectory(at: path)
            case "link": try Posix.makeSymbolicLink(at: path, to: "\(home.base)/elsewhere")
            default: try Posix.makeNamedPipe(at: path)
            }
            let keeper = try home.start()
            #expect(try home.runToEnd(keeper) == .exited(code: 2))
            #expect(keeper.standardError.contains("cannot open the log \(path)"))
            #expect(home.names.isEmpty)
            #expect(home.text("elsewhere") == nil)
        }
    }

    @Test("Without a home directory the reason says what to set")
    func needsHome() throws {
        try withKeeperHome { home in
            let keeper = try home.start(settings: ["HOME": "", "PI_DASHBOARD_HOME": " "])
            #expect(try home.runToEnd(keeper) == .exited(code: 2))
            #expect(keeper.standardError.contains("set HOME or PI_DASHBOARD_HOME"))
        }
    }

    @Test("A blank PI_DASHBOARD_HOME means the home directory")
    func fallsBackToHome() throws {
        try withKeeperHome { home in
            _ = try home.startReady(settings: ["PI_DASHBOARD_HOME": "  "])
        }
    }

    @Test(
        "Malformed variables are named in the log and replaced by their defaults",
        arguments: [
            ["PI_KEEPER_PI_CMD": "pi"], ["PI_KEEPER_PI_CMD": "[1]"], ["PI_KEEPER_PI_CMD": #"[""]"#],
            ["PI_KEEPER_PI_CMD": #"["a\u0000"]"#],
        ])
    func warnsAboutCommand(settings: [String: String]) throws {
        try withKeeperHome { home in
            // The default command is `pi` from PATH.
            try writeExecutable("#!/bin/sh\necho \"$@\" >$HOME/arguments\nexec cat\n", to: "\(home.base)/pi")
            var settings: [String: String?] = settings
            settings["PATH"] = "\(home.base):/usr/bin:/bin"
            settings["PI_KEEPER_PI_ARGS"] = "{}"
            let keeper = try home.startReady(settings: settings)
            try home.until("pi runs") { home.text("arguments")?.isEmpty == false }
            #expect(home.text("arguments") == "--mode rpc\n")
            #expect(keeper.log.contains("ignoring malformed PI_KEEPER_PI_CMD"))
            #expect(keeper.log.contains("ignoring malformed PI_KEEPER_PI_ARGS"))
            #expect(keeper.log.contains("spawning pi pi --mode rpc"))
        }
    }

    @Test(
        "Numbers that are bad or huge fall back or hold, and stop nobody",
        arguments: [
            "", "0", "-1", "1e3", "x", "99999999999999999999", "9223372036854775807",
        ])
    func survivesNumbers(text: String) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(settings: [
                "PI_KEEPER_LOG_MAX_BYTES": text, "PI_KEEPER_LOG_CHECK_INTERVAL_MS": text,
                "PI_KEEPER_MAX_LINE_BYTES": text, "PI_KEEPER_CAPTURE_PI_OUTPUT": "1",
            ])
            try home.send("a\nb", to: keeper)
            try home.until("the lines arrive") { home.text() == "a\nb\n" }
            let huge = text == "9223372036854775807"
            let expected =
                huge ? "maxBytes=\(text) checkIntervalMs=\(text)" : "maxBytes=134217728 checkIntervalMs=5000"
            #expect(keeper.log.contains("log rotation: \(expected)"))
        }
    }

    @Test(
        "A missing executable is status 1, with the reason in the log, and leaves nothing",
        arguments: [
            (#"["/nonexistent/x"]"#, "/nonexistent/x ENOENT: there is no file /nonexistent/x"),
            (#"["no-such-command"]"#, "no-such-command ENOENT: no-such-command is in no directory of PATH"),
            (#"["/etc/passwd"]"#, "/etc/passwd EACCES: cannot execute"), (#"["/"]"#, "/ EISDIR: cannot execute"),
        ])
    func reportsMissingExecutable(command: String, reason: String) throws {
        try withKeeperHome { home in
            let keeper = try home.start(settings: ["PI_KEEPER_PI_CMD": command])
            #expect(try home.runToEnd(keeper) == .exited(code: 1))
            #expect(keeper.log.contains("pi spawn error: spawn \(reason)"), "\(keeper.log)")
            #expect(keeper.log.contains("shutdown: code=1 reason=pi cannot be started"))
            #expect(home.names.isEmpty)
        }
    }

    @Test(
        "A log that another user's keeper has left is put aside under that user's number",
        .enabled(if: CurrentProcess.userID == 0, "only root can start a keeper as another user"))
    func putsForeignLogAside() throws {
        try withKeeperHome { home in
            for path in ["", "/.pi", "/.pi/dashboard", "/.pi/dashboard/sessions"] {
                if !path.isEmpty { try Files.makeDirectory(at: home.base + path) }
                try Posix.setOwner(65534, of: home.base + path)
            }
            let log = "\(home.directory)/keeper-s.log"
            try Posix.write("root's\n", to: log)
            try Posix.setPermissions(0o600, of: log)
            let keeper = try home.startReady(
                shell: #"exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@""#)
            #expect(try Files.read("\(log).0", limit: 100) == Array("root's\n".utf8))
            #expect(try Files.status(of: log).owner == 65534)
            #expect(keeper.log.contains("keeper starting:") && !keeper.log.contains("root's"))
        }
    }
}
