import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper export, and where sessions are") struct ExportCommandTests {
    @Test("prints a unit for a server, and one for a session, which systemd has nothing against")
    func units() throws {
        try CommandHome.with { home in
            let server = try home.run(
                "export", "--systemd", "--server", "--sessions-dir", "/var/lib/x", "--", "/bin/sleep", "1 %h $X \"a\"\\"
            )
            #expect(server.code == 0 && server.errors.isEmpty, "\(server)")
            #expect(server.lines.contains(#"ExecStart=/bin/sleep "1 %%h $$X \"a\"\\""#), "\(server)")
            #expect(server.lines.contains(#"Environment="PI_KEEPER_SCOPE=auto""#))
            #expect(server.lines.contains(#"Environment="PI_KEEPER_SESSIONS_DIR=/var/lib/x""#))
            #expect(!server.output.contains("KillMode"), "the default is right")
            let json = try home.run("export", "--systemd", "--server", "--json", "--", "/bin/sleep", "1")
            #expect(json.code == 0 && json.output.hasPrefix(#"{"unit":"[Unit]\nDescription=/bin/sleep"#), "\(json)")
            let session = try home.run(
                "export", "--systemd", "--session", "work", "--user", "daemon", "--memory-max", "8G", "--cpu-quota",
                "150%", "--tasks-max", "9", "--", "sh", "-c", "echo \"%n\"; exec cat")
            #expect(session.code == 0, "\(session)")
            #expect(session.lines.contains("ExecStart=\(BuiltProducts.sidecar) work"), "\(session)")
            #expect(session.lines.contains("User=daemon") && session.lines.contains("KillMode=mixed"))
            let shell = try #require(ExecutableSearch.find("sh", path: ProcessEnvironment.current["PATH"]))
            let command = #"Environment="PI_KEEPER_PI_CMD=[\"\#(shell)\",\"-c\",\"echo \\\"%%n\\\"; exec cat\"]""#
            #expect(session.lines.contains(command), "\(session)")
            for line in [
                "MemoryMax=8589934592", "CPUQuota=150%", "TasksMax=9", "OOMPolicy=continue",
                #"Environment="PI_KEEPER_SCOPE=off""#,
            ] {
                #expect(session.lines.contains(line), "\(session)")
            }
            for unit in [server, session] {
                #expect(unit.lines.contains("WantedBy=default.target"), "a user's has it too")
            }
            guard ExecutableSearch.find("systemd-analyze", path: ProcessEnvironment.current["PATH"]) != nil else {
                return withKnownIssue("skipped: systemd-analyze is missing") { Issue.record() }
            }
            for (name, text) in [("server", server.output), ("session", session.output)] {
                try Posix.write(text, to: "\(home.home)/\(name).service")
                let verified = try runProgram(
                    "/usr/bin/env", ["systemd-analyze", "verify", "\(home.home)/\(name).service"])
                #expect(
                    verified.status == .exited(code: 0) && !verified.output.contains("\(name).service:"), "\(verified)")
            }
        }
    }

    @Test("a line that systemd does not read is refused") func longLine() throws {
        try CommandHome.with { home in
            let words = Array(repeating: String(repeating: "x", count: 100_000), count: 11)
            let run = try home.run(["export", "--systemd", "--server", "--", "/bin/sleep"] + words)
            #expect(run.code == 1 && run.output.isEmpty && run.errors.contains("1 MiB"), "\(run.code)")
        }
    }

    @Test(
        "what makes no unit is wrong usage",
        arguments: [
            ["--server", "--", "cat"], ["--systemd", "--", "cat"], ["--systemd", "--server"],
            ["--systemd", "--server", "--session", "s", "--", "cat"],
            ["--systemd", "--session", "s", "--scope", "off", "--", "cat"],
            ["--systemd", "--server", "--memory-max", "1G", "--", "cat"],
            ["--systemd", "--session", "../s", "--", "cat"], ["--systemd", "--server", "--user", "", "--", "cat"],
            ["--systemd", "--server", "--user", "a b", "--", "cat"],
        ])
    func wrongUsage(arguments: [String]) throws {
        try CommandHome.with { home in
            let run = try home.run(["export"] + arguments)
            #expect(run.code == 64, "\(run)")
        }
    }

    @Test("users are those that systemd takes")
    func users() throws {
        try CommandHome.with { home in
            let longest = String(repeating: "u", count: 255)
            for (users, code) in [
                (["root", "0", "1000", "4294967294", "a-b_c.d@e", "1x", "-x", "_x", longest], 0 as Int32),
                (
                    [
                        "a:b", "a/b", "a\\b", ".", "..", "65535", "4294967295", "4294967296", "007", "-1", "-", "é",
                        longest + "u",
                    ], 64
                ),
            ] {
                for user in users {
                    let run = try home.run([
                        "export", "--systemd", "--server", "--user=\(user)", "--", "/bin/sleep", "1",
                    ])
                    #expect(run.code == code && run.lines.contains("User=\(user)") == (code == 0), "\(user): \(run)")
                }
            }
        }
    }

    @Test("a command that does not fit into one variable makes no unit of a session")
    func longest() throws {
        try CommandHome.with { home in
            // The text of an array of three strings, in a variable's.
            let rest = #"PI_KEEPER_PI_CMD=["/bin/sleep","",""]"#.utf8.count + 1
            func run(_ length: Int) throws -> CommandRun {
                let words = [length / 2, length - length / 2].map { String(repeating: "x", count: $0) }
                return try home.run(["export", "--systemd", "--session", "s", "--", "/bin/sleep"] + words)
            }
            #expect(try run(131_072 - rest).code == 0)
            let refused = try run(131_072 - rest + 1)
            #expect(refused.code == 1 && refused.output.isEmpty && refused.errors.contains("too long for a unit"))
        }
    }

    @Test("a command that is not there is told")
    func missing() throws {
        try CommandHome.with { home in
            let run = try home.run("export", "--systemd", "--server", "--", "no-such-command")
            #expect(
                run.code == 1 && run.output.isEmpty && run.errors.contains("no executable 'no-such-command'"), "\(run)")
        }
    }

    @Test("what is no executable file, or one that systemd starts under no name, makes no unit")
    func unusable() throws {
        try CommandHome.with { home in
            try Posix.write("", to: "\(home.home)/plain")
            for path in [home.home, "\(home.home)/plain", "\(home.home)/none"] {
                for kind in [["--server"], ["--session", "s"]] {
                    let run = try home.run(["export", "--systemd"] + kind + ["--", path])
                    #expect(
                        run.code == 1 && run.output.isEmpty && run.errors.contains("\(path) is no executable"), "\(run)"
                    )
                }
            }
            for name in ["a\"b", "a'b", "a\\b", "a\nb", "a\u{1}b", "a\u{7F}b"] {
                let path = "\(home.home)/\(name)"
                try Posix.write("#!/bin/sh\n", to: path)
                try Posix.setPermissions(0o700, of: path)
                let server = try home.run("export", "--systemd", "--server", "--", path)
                #expect(
                    server.code == 1 && server.output.isEmpty && server.errors.contains("systemd starts no"),
                    "\(server)")
                // A session's unit starts the sidecar; the child's name is in a variable.
                let session = try home.run("export", "--systemd", "--session", "s", "--", path)
                #expect(session.code == 0, "\(session)")
            }
            for name in ["a b", "a$b", "a%b", "é", ";"] {
                let path = "\(home.home)/\(name)"
                try Posix.write("#!/bin/sh\n", to: path)
                try Posix.setPermissions(0o700, of: path)
                #expect(try home.run("export", "--systemd", "--server", "--", path).code == 0)
            }
        }
    }

    @Test(
        "limits and policies that are none are wrong usage",
        arguments: [
            ["--memory-max", "8GB"], ["--memory-high", "0"], ["--cpu-quota", "x%"], ["--tasks-max", "-1"],
            ["--scope", "yes"], ["--scope", "off", "--memory-max", "1G"], ["--env", "PI_KEEPER_SCOPE=requier"],
            ["--scope", "require", "--env", "PI_KEEPER_SCOPE=off"], ["--scope", "auto", "--env", "PI_KEEPER_SCOPE="],
            ["--env", "PI_KEEPER_SCOPE=off", "--memory-max", "1G"], ["--env", "PI_KEEPER_TASKS_MAX=many"],
            ["--scope", "off", "--env", "PI_KEEPER_TASKS_MAX=9"], ["--scope", "off", "--env", "PI_KEEPER_CGROUP=/x"],
        ])
    func wrongLimits(arguments: [String]) throws {
        try CommandHome.with { home in
            let run = try home.run(["spawn", "s"] + arguments + ["--", "cat"])
            #expect(run.code == 64, "\(run)")
        }
    }

    @Test(
        "a limit beside a variable of this process that turns scopes off is wrong usage; the option has the last word")
    func offByVariable() throws {
        try CommandHome.with { home in
            let off = "export PI_KEEPER_SCOPE=off; exec \"$@\""
            let refused = try CommandRun(
                ["spawn", "s", "--tasks-max", "9", "--", "cat"], home: home.home, shell: off)
            #expect(refused.code == 64 && refused.errors.contains("PI_KEEPER_SCOPE is off"), "\(refused)")
            let misspelt = try CommandRun(
                ["spawn", "s", "--", "cat"], home: home.home, shell: "export PI_KEEPER_SCOPE=of; exec \"$@\"")
            #expect(misspelt.code == 0, "\(misspelt)")
            #expect(try home.run("logs", "s").output.contains("ignoring malformed PI_KEEPER_SCOPE"))
            let bounded = try CommandRun(
                ["spawn", "t", "--scope", "auto", "--tasks-max", "900", "--", "cat"], home: home.home, shell: off)
            #expect(bounded.code == 0, "\(bounded)")
        }
    }

    #if os(Linux)
    /// This process's control group, which is its sessions' where nothing has to be left.
    private var ownGroup: String? {
        let bytes = (try? Files.read("/proc/self/cgroup", limit: 4096)) ?? []
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        let groups = lines.filter { $0.hasPrefix("0::") || $0.contains(":name=systemd:") }
            .compactMap {
                $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).last.map(String.init)
            }
        return groups.contains { $0.contains(".service") } ? nil : groups.first { $0 != "/" } ?? groups.first
    }

    @Test("status, list and doctor say where a session is, and what would end it")
    func places() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "cat").code == 0)
            guard let group = ownGroup else {
                return withKnownIssue("skipped: no control groups here") { Issue.record() }
            }
            let status = try home.run("status", "s")
            let row = status.lines.first { $0.hasPrefix("group") }
            #expect(row?.hasSuffix(group) == true, "\(status)")
            let json = try home.run("status", "s", "--json").output
            #expect(json.contains(#""controlGroup":"\#(group)""#), "\(json)")
            #expect(try home.run("list", "--json").output.contains(#""controlGroup":"\#(group)""#))
            let doctor = try home.run("doctor")
            #expect(doctor.lines.contains { $0.hasPrefix("service ") }, "\(doctor)")
        }
    }
    #endif
}
