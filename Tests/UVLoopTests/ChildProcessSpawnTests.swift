import Libc
import TestSupport
import Testing
import UVLoop

@Suite("Starting a child") struct ChildProcessSpawnTests {
    private func error(_ change: (inout ChildProcess.Configuration) -> Void, usesLibuv: Bool) throws -> SpawnError? {
        var configuration = shell("exit 0", stdio: [.pipe, .pipe, .pipe, .pipe], usesLibuv: usesLibuv)
        change(&configuration)
        var thrown: SpawnError?
        try withLoop { loop in
            do throws(SpawnError) {
                let child = try ChildProcess(configuration, on: loop) { _, _ in }
                for stream in child.streams { stream?.close() }
            } catch {
                thrown = error
            }
        }
        return thrown
    }

    private func write(_ contents: String, to path: String, permissions: mode_t) throws {
        let file = try OpenFile(path, .createNew)
        try file.write(Array(contents.utf8))
        file.close()
        #expect(chmod(path, permissions) == 0)
    }

    @Test("tells what was wrong", arguments: [false, true]) func causes(usesLibuv: Bool) throws {
        try withTemporaryDirectory { directory in
            try write("#!/bin/sh\n", to: directory + "/plain", permissions: 0o644)
            try writeExecutable("#!/nonexistent/interpreter\n", to: directory + "/orphan")
            try writeExecutable("#!/nonexistent/interpreter\n", to: directory + "/uvk-orphan")
            let causes: [(SpawnError, (inout ChildProcess.Configuration) -> Void)] = [
                (.executableNotFound("/nonexistent"), { $0.executable = "/nonexistent" }),
                (.executableNotFound("uvk-no-such-command"), { $0.executable = "uvk-no-such-command" }),
                (.workingDirectory("/nonexistent", .noEntry), { $0.workingDirectory = "/nonexistent" }),
                (
                    .workingDirectory(directory + "/plain", .notDirectory),
                    { $0.workingDirectory = directory + "/plain" }
                ),
                (.executable(directory + "/plain", .accessDenied), { $0.executable = directory + "/plain" }),
                (.executable(directory, .isDirectory), { $0.executable = directory }),
                (.executable(directory + "/orphan", .noEntry), { $0.executable = directory + "/orphan" }),
                // A name without a slash does not mean a file in the working directory.
                (
                    .executableNotFound("plain"),
                    {
                        $0.executable = "plain"
                        $0.workingDirectory = directory
                    }
                ),
                (
                    .executable("uvk-orphan", .noEntry),
                    {
                        $0.executable = "uvk-orphan"
                        $0.environment = ProcessEnvironment(["PATH": directory])
                    }
                ),
                (.invalidArgument, { $0.executable = "" }),
                (.invalidArgument, { $0.executable = "/bin/sh\0" }),
                (.invalidArgument, { $0.arguments = ["a\0b"] }),
                (.invalidArgument, { $0.environment = ProcessEnvironment(entries: [[65, 61, 0, 66]]) }),
                (.invalidArgument, { $0.workingDirectory = "/\0tmp" }),
                (
                    .executable("/bin/sh", .argumentsTooLong),
                    { $0.arguments = [String(repeating: "x", count: 1 << 22)] }
                ),
                (.resources(.badDescriptor), { $0.stdio = [.descriptor(-1)] }),
            ]
            for (expected, change) in causes {
                let thrown = try error(change, usesLibuv: usesLibuv)
                #expect(thrown == expected)
                #expect(thrown.map { "\($0)".isEmpty } == false)
            }
        }
    }

    @Test("hands a script without an interpreter line to the shell", arguments: [false, true])
    func scripts(usesLibuv: Bool) throws {
        try withTemporaryDirectory { directory in
            try writeExecutable("echo \"$0 $1\"; exit 7\n", to: directory + "/script")
            var configuration = ChildProcess.Configuration(
                executable: directory + "/script", arguments: ["a b"])
            configuration.usesLibuv = usesLibuv
            let result = try outcome(configuration)
            #expect(result.status == .exited(code: 7))
            #expect(String(decoding: result.output, as: UTF8.self) == "\(directory)/script a b\n")
        }
    }

    @Test("hands no program of another machine to the shell, and says what is wrong") func foreign() throws {
        guard ChildProcess.usesPidfd else { return }
        try withTemporaryDirectory { directory in
            let script = "printf '\\177ELF\\002\\001\\000\\000' >\"$0\"; chmod 700 \"$0\""
            let made = ChildProcess.Configuration(
                executable: "/bin/sh", arguments: ["-c", script, directory + "/foreign"])
            #expect(try outcome(made).status == .exited(code: 0))
            let thrown = try error({ $0.executable = directory + "/foreign" }, usesLibuv: false)
            #expect(
                thrown?.description.contains("ENOEXEC: it is no program for this machine") == true, "\(thrown as Any)")
        }
    }

    @Test("says that arguments are too long, and blames nobody's permissions") func tooLong() throws {
        let thrown = try error({ $0.arguments = [String(repeating: "x", count: 1 << 22)] }, usesLibuv: false)
        #expect(thrown?.description.contains("longer than the system takes") == true)
        #expect(thrown?.description.contains("permissions") == false)
    }

    @Test("finds a name in the child's PATH, relative directories seen from its own", arguments: [false, true])
    func path(usesLibuv: Bool) throws {
        try withTemporaryDirectory { directory in
            try Files.makeDirectory(at: directory + "/bin")
            try writeExecutable("#!/bin/sh\npwd\n", to: directory + "/bin/uvk-command")
            for (path, name) in [
                ("/nonexistent:\(directory)/bin", "uvk-command"), ("bin", "uvk-command"), ("", "bin/uvk-command"),
            ] {
                var configuration = ChildProcess.Configuration(
                    executable: name, environment: ProcessEnvironment(["PATH": path]), workingDirectory: directory)
                configuration.usesLibuv = usesLibuv
                let result = try outcome(configuration)
                #expect(result.status == .exited(code: 0))
                #expect(String(decoding: result.output, as: UTF8.self) == directory + "\n")
            }
        }
    }

    @Test("gives exactly the environment it was given, invalid UTF-8 included", arguments: [false, true])
    func environment(usesLibuv: Bool) throws {
        let entries: [[UInt8]] = [Array("A=1".utf8), [66, 61, 0xff, 0xfe, 10, 9], Array("EMPTY=".utf8)]
        var configuration = ChildProcess.Configuration(
            executable: "/usr/bin/env", arguments: ["-0"], environment: ProcessEnvironment(entries: entries))
        configuration.usesLibuv = usesLibuv
        #expect(try outcome(configuration).output == entries.flatMap { $0 + [0] })
    }

    @Test("passes arguments unchanged", arguments: [false, true]) func arguments(usesLibuv: Bool) throws {
        let arguments = ["", "a b", "'\"$HOME", "é\n", "-n"]
        var configuration = ChildProcess.Configuration(
            executable: "/usr/bin/printf", arguments: ["%s|"] + arguments)
        configuration.usesLibuv = usesLibuv
        #expect(try outcome(configuration).output == Array((arguments.joined(separator: "|") + "|").utf8))
    }

    @Test("without descriptors fails as a lack of resources and leaks nothing", arguments: ["posix", "libuv"])
    func withoutDescriptors(backend: String) throws {
        try expectScenario("spawn-without-descriptors", backend)
    }

    @Test("two hundred times leaks no descriptor and no zombie", arguments: ["posix", "libuv"])
    func many(backend: String) throws {
        try expectScenario("spawn-many", backend)
    }

    @Test("in vain leaks no descriptor, no handle and no zombie", arguments: ["posix", "libuv"])
    func inVain(backend: String) throws {
        try expectScenario("failed-spawns-leak-nothing", backend)
    }

    @Test("gives it default signals and an empty mask", arguments: ["posix", "libuv"])
    func signals(backend: String) throws {
        try expectScenario("default-signals", backend)
    }

    @Test("lets no descriptor of the host reach it") func noStrayDescriptors() throws {
        try expectScenario("no-stray-descriptors")
    }

    @Test(
        "works in a host that waits for all children, or ignores SIGCHLD",
        arguments: ["host-waits-for-all", "host-ignores-child-signal", "kill-after-collected"])
    func hosts(scenario: String) throws {
        try expectScenario(scenario)
    }
}
