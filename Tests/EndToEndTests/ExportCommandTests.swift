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
            for limit in ["MemoryMax=8589934592", "CPUQuota=150%", "TasksMax=9"] {
                #expect(session.lines.contains(limit), "\(session)")
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

    @Test("a command that is not there is told")
    func missing() throws {
        try CommandHome.with { home in
            let run = try home.run("export", "--systemd", "--server", "--", "no-such-command")
            #expect(
                run.code == 1 && run.output.isEmpty && run.errors.contains("no executable 'no-such-command'"), "\(run)")
        }
    }

    @Test(
        "limits and policies that are none are wrong usage",
        arguments: [
            ["--memory-max", "8GB"], ["--memory-high", "0"], ["--cpu-quota", "x%"], ["--tasks-max", "-1"],
            ["--scope", "yes"], ["--scope", "off", "--memory-max", "1G"],
        ])
    func wrongLimits(arguments: [String]) throws {
        try CommandHome.with { home in
            let run = try home.run(["spawn", "s"] + arguments + ["--", "cat"])
            #expect(run.code == 64, "\(run)")
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
