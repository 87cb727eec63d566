import TestSupport
import Testing
import UVKeeper

@Suite("logs --follow") struct LogsFollowTests {
    @Test("misses nothing of a log that is cut and grows past its place, or becomes another file") func grows() throws {
        try CommandHome.with { home in
            #expect(try home.run("doctor").code == 0)
            try Files.makeDirectory(at: home.sessions)
            let path = home.sessions + "/keeper-t.log"
            let lines = { (name: String, count: Int) in (0..<count).map { "\(name) \($0)\n" }.joined() }
            try Posix.write(lines("first", 100), to: path)
            let expected = "first 98\nfirst 99\n" + lines("cut", 5000) + lines("other", 20000) + lines("last", 10)
            // What to do when the output ends so.
            var steps: [(end: String, act: () throws -> Void)] = [
                (
                    "first 99\n",
                    {
                        let log = try OpenFile(path, .append)
                        try log.truncate()
                        try log.write(Array(lines("cut", 5000).utf8))
                    }
                ),
                (
                    "cut 4999\n",
                    {
                        try Files.rename(path, to: path + ".old")
                        try Posix.write(lines("other", 20000), to: path)
                    }
                ),
                (
                    "other 19999\n",
                    {
                        try Files.unlink(path)
                        try Posix.write(lines("last", 10), to: path)
                    }
                ),
            ]
            let output = try follow(home, ["--lines", "2"]) { output, child in
                if let step = steps.first, output.hasSuffix(step.end) {
                    steps.removeFirst()
                    try step.act()
                } else if steps.isEmpty, output.hasSuffix("last 9\n") {
                    try child.kill(.interrupt)
                }
            }
            #expect(output == expected)
        }
    }

    @Test("goes on in the middle of a line when the log has its name again") func comesBack() throws {
        try CommandHome.with { home in
            #expect(try home.run("doctor").code == 0)
            try Files.makeDirectory(at: home.sessions)
            let path = home.sessions + "/keeper-t.log"
            try Posix.write("begun", to: path)
            var steps: [(end: String, act: () throws -> Void)] = [
                (
                    "begun",
                    {
                        try Files.rename(path, to: path + ".old")
                        let log = try OpenFile(path + ".old", .append)
                        try log.write(Array(", moved".utf8))
                    }
                ),
                (
                    ", moved",
                    {
                        try Files.rename(path + ".old", to: path)
                        try OpenFile(path, .append).write(Array(", ended\n".utf8))
                    }
                ),
            ]
            let output = try follow(home, []) { output, child in
                if let step = steps.first, output.hasSuffix(step.end) {
                    steps.removeFirst()
                    try step.act()
                } else if steps.isEmpty, output.hasSuffix("\n") {
                    try child.kill(.interrupt)
                }
            }
            #expect(output == "begun, moved, ended\n")
        }
    }

    @Test("is refused for a session without a log, and for what is no log") func refused() throws {
        try CommandHome.with { home in
            let missing = try home.run("logs", "t", "--follow")
            #expect(missing.code == 1 && missing.errors.contains("ENOENT"), "\(missing)")
            try Files.makeDirectory(at: home.sessions)
            for (name, make) in [
                ("pipe", { try Posix.makeNamedPipe(at: $0) }), ("directory", { try Files.makeDirectory(at: $0) }),
                ("link", { try Posix.makeSymbolicLink(at: $0, to: "/etc/hostname") }),
            ] as [(String, (String) throws -> Void)] {
                try make("\(home.sessions)/keeper-\(name).log")
                let run = try home.run("logs", name, "--follow")
                #expect(run.code == 1 && run.errors.contains("cannot use the log of session \(name)"), "\(run)")
            }
        }
    }

    /// Runs the command until it ends; `act` is called with all its output whenever there is more of it.
    private func follow(
        _ home: CommandHome, _ arguments: [String], _ act: @escaping (String, ChildProcess) throws -> Void
    ) throws -> String {
        var environment = ProcessEnvironment.current
        environment["PI_DASHBOARD_HOME"] = home.home
        let configuration = ChildProcess.Configuration(
            executable: BuiltProducts.executable("uvkeeper"), arguments: ["logs", "t", "--follow"] + arguments,
            environment: environment, stdio: [.ignore, .pipe, .ignore])
        var output: [UInt8] = []
        try withLoop { loop in
            let child = try ChildProcess(configuration, on: loop) { #expect($1 == .signaled(.interrupt)) }
            child.killWhenCanceled()
            try child.streams[1]!.readStart(
                onBytes: { _, bytes in
                    bytes.withUnsafeBytes { output += $0 }
                    expectNoError { try act(String(decoding: output, as: UTF8.self), child) }
                },
                onEnd: { stream, _ in stream.close() },
            )
        }
        return String(decoding: output, as: UTF8.self)
    }
}
