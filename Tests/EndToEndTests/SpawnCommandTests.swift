import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper spawn") struct SpawnCommandTests {
    @Test("starts a session, says its pids, and the session outlives the command") func spawns() throws {
        try CommandHome.with { home in
            let run = try home.run("spawn", "work", "--json", "--", "cat")
            #expect(run.code == 0 && run.errors.isEmpty, "\(run)")
            let keeper = try #require(home.number("keeperPID", in: run.output))
            let child = try #require(home.number("childPID", in: run.output))
            #expect(Processes.liveness(of: keeper) != .gone)
            #expect(Processes.liveness(of: child) != .gone)
            #expect(run.output.contains("\"socket\":\"\(home.sessions)/work.rpc.sock\""))
        }
    }

    @Test("gives the child directory, variables and arguments, and captures its output") func environment() throws {
        try CommandHome.with { home in
            try Files.makeDirectory(at: home.home + "/there")
            let script = "echo dir=$(basename $(pwd)) X=$X Y=$Y args=$1,$2 keeper=$PI_KEEPER_PI_CMD; exec cat"
            let run = try home.run(
                "spawn", "s", "--cwd", home.home + "/there", "--env", "X=a=b", "--env", "Y=", "--capture-output", "--",
                "sh", "-c", script, "sh", "--json", "two words")
            #expect(run.code == 0, "\(run)")
            let line = "dir=there X=a=b Y= args=--json,two words keeper=\n"
            try home.eventually("the child has written") { home.log(of: "s").contains(line) }
            let log = try home.run("logs", "s")
            #expect(log.output.contains(line), "\(log)")
        }
    }

    @Test("a command with very many arguments starts as soon as another, and gets them all") func manyArguments() throws
    {
        try CommandHome.with { home in
            let many = (0..<60_000).map { String($0) }
            let script = "echo $# $1 >$HOME_OF_TEST/got; exec cat"
            let run = try home.run(
                ["spawn", "s", "--env", "HOME_OF_TEST=\(home.home)", "--", "sh", "-c", script, "sh", "--"] + many)
            #expect(run.code == 0, "\(run.code ?? -1) \(run.errors.prefix(1000))")
            try home.eventually("they have come") { home.contents(of: "got") == "60001 --\n" }
        }
    }

    @Test("under a limit on the size of files it says why it cannot, and is not ended by a signal") func fileSizeLimit()
        throws
    {
        // ThreadSanitizer cannot begin where it cannot write a file of its own.
        if BuiltProducts.sidecar.contains(".build-thread") { return }
        try CommandHome.with { home in
            let reset = BuiltProducts.areSanitized ? "" : "trap - XFSZ; "
            let script = "trap '' XFSZ; ulimit -f 0; \(reset)exec \"$@\""
            for arguments in [["spawn", "s", "--", "cat"], ["doctor"]] {
                let run = try CommandRun(arguments, home: home.home, shell: script)
                #expect(run.code == 1 && (run.output + run.errors).contains("EFBIG"), "\(run)")
            }
        }
    }

    @Test("reports a command that fails at once, with the log's end") func failsAtOnce() throws {
        try CommandHome.with { home in
            let exits = try failedStart(in: home, "--", "sh", "-c", "exit 3")
            #expect(exits.code == 1 && exits.output.isEmpty)
            #expect(exits.errors.contains("pi exited code=3 signal=null"), "\(exits)")
            let missing = try home.run("spawn", "s", "--", "/there/is/none")
            #expect(missing.code == 1 && missing.errors.contains("there is no file /there/is/none"), "\(missing)")
            #expect(try home.run("list", "--json").output.isEmpty)
        }
    }

    @Test("does not quote a former life of the session when a start fails before its own") func formerWords() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "sh", "-c", "echo former >&2; exec cat").code == 0)
            #expect(try home.run("kill", "s").code == 0)
            #expect(try home.run("status", "s").output.contains("former"))
            let failed = try home.run(
                "spawn", "s", "--scope", "require", "--memory-max", "1G", "--env", "PI_KEEPER_CGROUP=/there/is/none",
                "--",
                "cat")
            #expect(failed.code == 1 && !failed.errors.contains("former"), "\(failed)")
            #expect(!failed.errors.contains("uvkeeper read"), "\(failed)")
        }
    }

    @Test("hints at what a command that ends at once may need") func hints() throws {
        try CommandHome.with { home in
            let background = try failedStart(in: home, "--", "sh", "-c", "exit 0")
            #expect(background.code == 1 && background.errors.contains("into the background?"), "\(background)")
            let said = try failedStart(in: home, "--", "sh", "-c", "echo out; echo no terminal >&2; exit 3")
            #expect(said.errors.contains("its stderr ends:\n    no terminal\n"), "\(said)")
            #expect(said.errors.contains("uvkeeper read s") && !said.errors.contains("discarded"), "\(said)")
            let silent = try failedStart(in: home, "--no-output", "--", "sh", "-c", "echo no terminal; exit 3")
            #expect(silent.errors.contains("--no-output") && !silent.errors.contains("background"), "\(silent)")
            let captured = try failedStart(
                in: home, "--capture-output", "--", "sh", "-c", "echo no terminal; exit 3")
            #expect(
                captured.errors.contains("no terminal") && !captured.errors.contains("discarded"), "\(captured)")
            let empty = try home.run("spawn", "s", "--cwd", "", "--", "cat")
            #expect(empty.code == 64 && empty.errors.contains("--cwd"), "\(empty)")
            try Posix.write("", to: home.home + "/file")
            let file = try home.run("spawn", "s", "--sessions-dir", home.home + "/file", "--", "cat")
            #expect(file.code == 1 && file.errors.contains("it is no directory"), "\(file)")
        }
    }

    /// Starts a command that ends at once. On a slow machine it may take longer than the crash window, and has started
    /// then: once more.
    private func failedStart(in home: CommandHome, _ arguments: String...) throws -> CommandRun {
        for round in 0... {
            let run = try home.run(["spawn", "s\(round)"] + arguments)
            let log = home.log(of: "s\(round)")
            guard log.contains("keeper ready"), round < 100 else { return run }
            try home.eventually("the session ends") {
                try !Files.names(inDirectory: home.sessions).contains { $0.hasPrefix("s\(round).") }
            }
            try Files.unlink("\(home.sessions)/keeper-s\(round).log")
        }
        preconditionFailure("the last round returns")
    }

    @Test("does not wait with --no-wait") func noWait() throws {
        try CommandHome.with { home in
            let run = try home.run("spawn", "s", "--no-wait", "--", "sh", "-c", "exit 3")
            #expect(run.code == 0, "\(run)")
            // Before the keeper has begun there are no files either.
            try home.eventually("the keeper has ended") { home.log(of: "s").contains("shutdown: code=") }
            try home.eventually("the keeper's files are gone") {
                try !Files.names(inDirectory: home.sessions).contains("s.rpc.sock.pid")
            }
        }
    }

    @Test("refuses a second keeper for a session and leaves the first alone") func taken() throws {
        try CommandHome.with { home in
            let first = try home.run("spawn", "s", "--json", "--", "cat")
            let second = try home.run("spawn", "s", "--", "cat")
            #expect(second.code == 1 && second.errors.contains("has a keeper already"), "\(second)")
            let list = try home.run("list", "--json")
            #expect(home.number("keeperPID", in: list.output) == home.number("keeperPID", in: first.output))
        }
    }

    @Test(
        "a hostile id is wrong usage for every subcommand, before any file exists",
        arguments: ["../x", "a/b", "", ".hidden", "x y", String(repeating: "a", count: 129), "ümlaut", "a\n"])
    func hostile(id: String) throws {
        try CommandHome.with { home in
            for arguments in [["spawn", id, "--", "cat"], ["send", id, "x"], ["logs", id], ["kill", "s", id]] {
                let run = try CommandRun(arguments, home: home.home)
                #expect(run.code == 64 && run.errors.contains("session id"), "\(arguments): \(run)")
            }
            #expect(try Files.names(inDirectory: home.home).isEmpty)
        }
    }

    @Test("says how to use it when the usage is wrong")
    func usage() throws {
        try CommandHome.with { home in
            for arguments in [
                ["spawn", "s"], ["spawn"], ["spawn", "s", "--env", "novalue", "--", "cat"], ["spawn", "s", "cat"],
                ["nonsense"], ["kill"], ["kill", "a", "--all"], ["logs", "s", "-n", "-1"],
            ] {
                let run = try CommandRun(arguments, home: home.home)
                #expect(run.code == 64 && run.errors.contains("Usage:"), "\(arguments): \(run)")
            }
        }
    }

    @Test("says where it looked for a sidecar that is missing") func noSidecar() throws {
        try CommandHome.with { home in
            let run = try CommandRun(["spawn", "s", "--", "cat"], home: home.home, sidecar: "/no/sidecar")
            #expect(run.code == 1 && run.errors.contains("UVKEEPER_SIDECAR") && run.errors.contains("/no/sidecar"))
        }
    }

    @Test("says of a ~ that nothing has replaced it", arguments: ["--cwd", "command", "sidecar"])
    func tilde(_ place: String) throws {
        try CommandHome.with { home in
            let arguments = ["spawn", "s"] + (place == "--cwd" ? ["--cwd", "~"] : [])
            let run = try CommandRun(
                arguments + ["--", place == "command" ? "~/bin/agent" : "cat"], home: home.home,
                sidecar: place == "sidecar" ? "~/bin/uvkeeper-sidecar" : nil)
            #expect(run.code == 1 && run.errors.contains("~") && run.errors.contains("write the whole path"), "\(run)")
            let other = try home.run("spawn", "s", "--", "/none")
            #expect(!other.errors.contains("write the whole path"), "\(other)")
        }
    }

    @Test(
        "names what on the way to the command is not permitted",
        .enabled(if: Posix.isRoot, "only root can become another user"))
    func commandObstacle() throws {
        try CommandHome.with { home in
            let shell =
                "mkdir -m 700 '\(home.home)/closed'; chown 65534 '\(home.home)'; "
                + "exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\""
            let run = try CommandRun(
                ["spawn", "s", "--", home.home + "/closed/agent"], home: home.home, shell: shell)
            #expect(
                run.code == 1 && run.errors.contains("\(home.home)/closed belongs to root and has mode 700"), "\(run)")
        }
    }

    @Test("takes a relative sessions directory from where it is called") func relativeDirectory() throws {
        try CommandHome.with { home in
            try Files.makeDirectory(at: home.home + "/a/b")
            let script = """
                cd "$1" && "$2" spawn s --cwd b --sessions-dir rel -- cat && "$2" send --timeout 60 s hello --sessions-dir rel &&
                test -S rel/s.rpc.sock && "$2" kill s --sessions-dir rel
                """
            let shell = ChildProcess.Configuration(
                executable: "/bin/sh",
                arguments: ["-c", script, "sh", home.home + "/a", BuiltProducts.executable("uvkeeper")],
                environment: {
                    var environment = ProcessEnvironment.current
                    environment["UVKEEPER_SIDECAR"] = BuiltProducts.sidecar
                    return environment
                }())
            try withLoop { loop in
                _ = try ChildProcess(shell, on: loop) { _, status in #expect(status == .exited(code: 0)) }
            }
        }
    }
}
