import TestSupport
import Testing
import UVKeeper

/// One run of the `uvkeeper` command: what it was given, what it said, how it ended.
struct CommandRun {
    var status = ProcessExit.unknown
    /// What it said on stdout, as it was.
    var bytes: [UInt8] = []
    var output: String { String(decoding: bytes, as: UTF8.self) }
    var errors = ""

    var code: Int32? {
        if case .exited(let code) = status { code } else { nil }
    }

    /// The objects printed with `--json`, one per line, as text.
    var lines: [String] { output.split(separator: "\n").map(String.init) }

    /// Runs the command to its end with these bytes on stdin.
    ///
    /// - Parameter shell: what `/bin/sh -c` runs instead; `"$@"` in it is the command.
    init(
        _ arguments: [String], stdin: [UInt8] = [], home: String, sidecar: String? = nil, shell: String? = nil,
    ) throws {
        var environment = ProcessEnvironment.current
        environment["PI_DASHBOARD_HOME"] = home
        environment["UVKEEPER_SIDECAR"] = sidecar ?? BuiltProducts.sidecar
        let command = BuiltProducts.executable("uvkeeper")
        let configuration = ChildProcess.Configuration(
            executable: shell == nil ? command : "/bin/sh",
            arguments: shell.map { ["-c", $0, "sh", command] + arguments } ?? arguments, environment: environment,
            stdio: [.pipe, .pipe, .pipe])
        final class Collected {
            var status = ProcessExit.unknown
            var bytes: [[UInt8]] = [[], [], []]
        }
        let collected = Collected()
        try withLoop { loop in
            let child = try ChildProcess(configuration, on: loop) { _, status in collected.status = status }
            child.killWhenCanceled()
            for descriptor in 1...2 {
                try child.streams[descriptor]!.readStart(
                    onBytes: { _, bytes in bytes.withUnsafeBytes { collected.bytes[descriptor] += $0 } },
                    onEnd: { stream, _ in stream.close() })
            }
            let input = child.streams[0]!
            // A command that ends without reading its stdin is no fault of the test's.
            input.write(stdin)
            input.shutdown { _ in input.close() }
        }
        status = collected.status
        bytes = collected.bytes[1]
        errors = String(decoding: collected.bytes[2], as: UTF8.self)
    }
}

/// A home directory for sessions, and the command on it; whatever runs in it at the end is ended.
struct CommandHome {
    let home: String

    static func with(_ body: (CommandHome) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            let home = CommandHome(home: directory)
            defer {
                do {
                    _ = try home.run("kill", "--all", "--grace", "0")
                } catch {
                    Issue.record(error)
                }
            }
            try body(home)
        }
    }

    var sessions: String { home + "/.pi/dashboard/sessions" }

    func run(_ arguments: String..., stdin: [UInt8] = []) throws -> CommandRun {
        try run(arguments, stdin: stdin)
    }

    /// Runs the command; a start may take as long as on a slow machine.
    func run(_ arguments: [String], stdin: [UInt8] = []) throws -> CommandRun {
        let patient = arguments.first == "spawn" ? ["spawn", "--timeout", "100"] + arguments.dropFirst() : arguments
        return try CommandRun(patient, stdin: stdin, home: home)
    }

    /// What is in a file below ``home``; nothing if it is not there, or not yet.
    func contents(of name: String) -> String {
        (try? Files.read("\(home)/\(name)", limit: 1 << 26)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// The log of a session's keeper so far.
    func log(of session: String) -> String {
        contents(of: ".pi/dashboard/sessions/keeper-\(session).log")
    }

    /// The number under a key of a JSON object that has it once.
    func number(_ key: String, in json: String) -> Int32? {
        guard let range = json.firstRange(of: "\"\(key)\":") else { return nil }
        return Int32(json[range.upperBound...].prefix { $0.isNumber })
    }

    /// Waits, by looking again and again, until `condition` holds.
    func eventually(
        _ what: String, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () throws -> Bool
    ) throws {
        let loop = try Loop()
        let timer = TimerHandle(on: loop)
        let deadline = SystemClock.monotonicTime + hangTimeout
        var holds = try condition()
        while !holds, SystemClock.monotonicTime < deadline {
            timer.start(after: .milliseconds(10)) { _ in }
            loop.run()
            holds = try condition()
        }
        #expect(holds, "\(what)", sourceLocation: sourceLocation)
        timer.close()
        loop.run()
        try loop.close()
    }
}

/// Runs a script with a fresh directory and the command as arguments; it ends with 0 if all is as it should be.
func expectScript(_ script: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    try withTemporaryDirectory { directory in
        var environment = ProcessEnvironment.current
        environment["UVKEEPER_SIDECAR"] = BuiltProducts.sidecar
        let shell = ChildProcess.Configuration(
            executable: "/bin/sh", arguments: ["-c", script, "sh", directory, BuiltProducts.executable("uvkeeper")],
            environment: environment)
        try withLoop { loop in
            let child = try ChildProcess(shell, on: loop) { _, status in
                #expect(status == .exited(code: 0), sourceLocation: sourceLocation)
            }
            child.killWhenCanceled()
        }
    }
}
