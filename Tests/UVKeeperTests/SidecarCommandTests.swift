import KeeperProtocol
import TestSupport
import Testing
import UVKeeper

/// The search runs in the helper, whose place, environment and working directory a test decides.
@Suite struct SidecarCommandTests {
    @Test("the variable comes first: a path, or a JSON array")
    func variable() throws {
        try withWorld { world throws in
            let sidecar = BuiltProducts.sidecar
            #expect(try world.host("find", environment: ["UVKEEPER_SIDECAR": sidecar]) == ["[\"\(sidecar)\"]"])
            let array = "[\"\(sidecar)\", \"keeper.cjs\"]"
            #expect(try world.host("find", environment: ["UVKEEPER_SIDECAR": array]) == [array])
            let shell = try world.host("find", environment: ["UVKEEPER_SIDECAR": "sh", "PATH": "/bin"])
            #expect(shell == ["[\"/bin/sh\"]"])
        }
    }

    @Test("a variable that leads nowhere is an error and not passed over", arguments: ["/gone", "[\"\"]", "[1]"])
    func variableWrong(_ value: String) throws {
        try withWorld { world throws in
            let lines = try world.host("find", environment: ["UVKEEPER_SIDECAR": value])
            #expect(lines.first?.hasPrefix("the sidecar uvkeeper-sidecar was not found") == true, "\(lines)")
        }
    }

    @Test("then comes the executable's directory, then libexec, then PATH")
    func places() throws {
        try withWorld { world throws in
            let beside = try world.host("find")
            #expect(beside == ["[\"\(BuiltProducts.sidecar)\"]"])
            for directory in ["app/bin", "app/libexec", "path"] { try Files.makeDirectory(at: world.path(directory)) }
            try Files.link(
                BuiltProducts.executable("keeper-host"), to: world.path("app/bin/keeper-host"), orCopyIn: world)
            func find(_ path: String) throws -> [String] {
                try HostProcess(
                    ["find"], executable: world.path("app/bin/keeper-host"), environment: ["PATH": path], in: world
                ).end()
            }
            let missing = try find("/nowhere")
            #expect(missing.first?.contains("app/bin/uvkeeper-sidecar") == true, "\(missing)")
            #expect(missing.first?.contains("app/bin/../libexec/uvkeeper-sidecar, PATH") == true, "\(missing)")
            try world.executable(world.path("path/uvkeeper-sidecar"))
            #expect(try find("/nowhere:\(world.root)/path") == ["[\"\(world.root)/path/uvkeeper-sidecar\"]"])
            // Relative directories of PATH are the server's, not the keeper's.
            let relative = try #require(try find("path").first)
            #expect(relative.hasPrefix("[\"/") && relative.hasSuffix("/path/uvkeeper-sidecar\"]"), "\(relative)")
            try world.executable(world.path("app/libexec/uvkeeper-sidecar"))
            #expect(try find("path") == ["[\"\(world.root)/app/bin/../libexec/uvkeeper-sidecar\"]"])
            try world.executable(world.path("app/bin/uvkeeper-sidecar"))
            #expect(try find("path") == ["[\"\(world.root)/app/bin/uvkeeper-sidecar\"]"])
        }
    }

    @Test("what cannot be a sidecar is told in its own words")
    func unusable() throws {
        try withWorld { world throws in
            #expect(try world.host("find", environment: ["UVKEEPER_SIDECAR": "[]"]).first?.contains("empty") == true)
            try world.write("", to: world.path("file"))
            for (name, reason) in [
                (world.root, "it is a directory"),
                (world.path("file"), "it is not an executable file, its mode is 600"),
            ] {
                let lines = try world.host("find", environment: ["UVKEEPER_SIDECAR": name])
                #expect(lines == ["cannot use \(name) as the sidecar: \(reason)"])
                let other = try world.otherManager { $0.sidecar = [name] }
                #expect(try world.trySpawn("s1", by: other).error == .sidecarUnusable(name, reason))
            }
            let missing = "\(KeeperError.sidecarNotFound(["x"]))"
            for words in ["runIfRequested", "product(name:", "UVKEEPER_SIDECAR"] { #expect(missing.contains(words)) }
        }
    }

    @Test("a program that does not become a keeper when it is asked to is not its own sidecar")
    func notPrepared() throws {
        try withWorld { world throws in
            // This is one: the test bundle.
            #expect(throws: KeeperError.self) { _ = try SidecarCommand.currentExecutable() }
            do { _ = try SidecarCommand.currentExecutable() } catch {
                #expect("\(error)".contains("test bundle") && "\(error)".contains("uvkeeper-sidecar"), "\(error)")
            }
            let own = try CurrentProcess.executablePath()
            let other = try world.otherManager { $0.sidecar = [own, "--uvkeeper-sidecar"] }
            guard case .hostNotPrepared? = try world.trySpawn("s1", by: other).error else {
                Issue.record("it was started")
                return
            }
            #expect(!world.exists(world.paths.directory))
        }
    }

    @Test(
        "a program that is its own sidecar by mistake starts no other, whatever its command looks like",
        arguments: [
            [], ["/usr/bin/env"], ["/bin/sh", "-c", #"exec "$@""#, "sh"],
        ])
    func mistaken(_ wrapper: [String]) throws {
        try withWorld { world throws in
            let host = BuiltProducts.executable("keeper-host")
            let inner = ["spawn", world.path("inner"), "s2", "started", BuiltProducts.sidecar, "0"]
            let other = try world.otherManager { $0.sidecar = SidecarCommand(wrapper + [host] + inner) }
            _ = try world.trySpawn("s1", by: other, readiness: .started).get()
            try world.eventually { world.text("s/keeper-launch-s1.log").contains("closed\n") }
            let said = world.text("s/keeper-launch-s1.log")
            for words in ["it was started as a keeper", "PI_KEEPER_STARTED", "runIfRequested()", "uvkeeper-sidecar"] {
                #expect(said.contains(words), "\(said)")
            }
            #expect(!world.exists(world.path("inner")))
        }
    }

    @Test("a keeper's child starts keepers, also an original's, which passes on what it was started with")
    func keepersChild() throws {
        try withWorld { world throws in
            let variables = [KeeperVariable.started: "1", KeeperVariable.spawned: "1"]
            let host = try HostProcess(
                ["spawn", world.paths.directory, "s1", "accepting", BuiltProducts.sidecar, "0"],
                environment: variables, in: world)
            let pid = try host.keeperPID()
            #expect(ProcessDetails.environment(of: pid)?[KeeperVariable.spawned] == nil)
            #expect(ProcessDetails.environment(of: pid)?[KeeperVariable.started] == "1")
            let child = try world.childPID("s1")
            // None while the child's shell becomes another program.
            try world.eventually { ProcessDetails.environment(of: child)?[KeeperVariable.spawned] == "1" }
            #expect(ProcessDetails.environment(of: child)?[KeeperVariable.started] == nil)
            _ = try host.end()
        }
    }

    @Test("a program whose file was replaced is its own sidecar under the old name")
    func replaced() throws {
        try withWorld { world throws in
            let program = world.path("program")
            let copy = try world.start(["cp", BuiltProducts.executable("keeper-host"), program])
            try world.eventually { !copy.isRunning }
            let host = try HostProcess(["replaced"], executable: program, in: world)
            #expect(try host.lines(1) == ["ready"])
            let newer = try world.start(["cp", "--remove-destination", "/bin/true", program])
            try world.eventually { !newer.isRunning }
            #expect(try host.end() == ["ready", program])
        }
    }

    @Test("another program as the sidecar is told as one that may be no keeper")
    func notAKeeper() throws {
        try withWorld { world throws in
            let other = try world.otherManager { $0.sidecar = ["true"] }
            let error = try #require(try world.trySpawn("s1", by: other).error)
            #expect(
                "\(error)".contains("/true exited with code 0") && "\(error)".contains("is it a keeper?"), "\(error)")
        }
    }

    @Test("a relative path is the server's, not relative to the keeper's working directory")
    func relative() throws {
        try withWorld { world throws in
            try world.executable(world.path("sidecar"))
            let lines = try world.host("find", environment: ["UVKEEPER_SIDECAR": "./sidecar"])
            let line = try #require(lines.first)
            #expect(line.hasPrefix("[\"/") && line.hasSuffix("/./sidecar\"]"), "\(line)")
        }
    }

    @Test(
        "an original keeper, written for Node, is started, written to, found and killed",
        .enabled(if: World.hasNode, "node is not installed"))
    func node() throws {
        try withWorld(options: {
            $0.sessionsDirectory? += "/.pi/dashboard/sessions"
            $0.sidecar = nil
        }) { world throws in
            try world.write(SidecarCommandTests.keeper, to: world.path("keeper.cjs"))
            let manager = try world.otherManager { $0.sidecar = ["node", world.path("keeper.cjs")] }
            let keeper = try world.trySpawn("s1", by: manager, command: ["sh", "-c", "exec cat > s1.out"]).get()
            #expect(try world.outcome("one", "s1") == .sent)
            try world.eventually { world.text("s1.out") == "one\n" }
            try world.eventually { world.exists(world.paths.keeperPID(for: keeper.session)) }
            #expect(world.manager.mayBeAlive("s1"))
            #expect(try world.discover().keepers.map(\.keeperPID) == [keeper.pid])
            guard case .failure(.sessionTaken) = try world.trySpawn("s1", by: manager) else {
                Issue.record("it started again")
                return
            }
            #expect(world.manager.killKeeper(for: "s1"))
            try world.eventually { !keeper.isRunning }
            #expect(!world.manager.mayBeAlive("s1"))
        }
    }

    /// As much of the original as matters here: no lock, a bare pid file written in place after the bind, and the rule for
    /// the directory.
    static let keeper = """
        const net = require("net"), fs = require("fs"), path = require("path"), { spawn } = require("child_process");
        const base = process.env.PI_DASHBOARD_HOME || process.env.HOME;
        const sock = path.join(base, ".pi/dashboard/sessions", process.argv[2] + ".rpc.sock");
        const list = (name) => JSON.parse(process.env[name] || "[]");
        const [file, ...args] = [...list("PI_KEEPER_PI_CMD"), ...list("PI_KEEPER_PI_ARGS")];
        const end = (code) => {
          for (const name of [sock, sock + ".pid"]) try { fs.unlinkSync(name); } catch {}
          process.exit(code);
        };
        net.createServer((client) => {
          let text = "";
          client.on("error", () => {});
          client.on("data", (data) => {
            const lines = (text + data).split("\\n");
            text = lines.pop();
            for (const line of lines) child.stdin.write(line + "\\n");
          });
          client.on("end", () => { if (text) child.stdin.write(text + "\\n"); });
        }).listen(sock, () => fs.writeFileSync(sock + ".pid", String(process.pid)));
        const child = spawn(file, args, { stdio: ["pipe", "ignore", "ignore"] });
        child.on("exit", () => end(0));
        process.on("SIGTERM", () => { child.kill("SIGKILL"); end(0); });
        """
}

extension World {
    /// A file that can be executed, of no use otherwise.
    func executable(_ path: String) throws {
        try writeExecutable("#!/bin/sh\n", to: path)
    }
}

extension Files {
    /// Temporary directories may be on another file system, where a link is not possible.
    fileprivate static func link(_ path: String, to newPath: String, orCopyIn world: World) throws {
        do throws(UVError) {
            try link(path, to: newPath)
        } catch {
            let copy = try world.start(["cp", path, newPath])
            try world.eventually { !copy.isRunning }
        }
    }
}

extension Result where Failure == KeeperError {
    /// Nil for success.
    var error: KeeperError? {
        if case .failure(let error) = self { error } else { nil }
    }
}
