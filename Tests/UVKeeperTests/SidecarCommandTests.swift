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

    @Test("a variable that leads nowhere is an error and not passed over", arguments: ["/gone", "[]", "[\"\"]", "[1]"])
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
            #expect(try world.outcome("one", "s1") == .written)
            try world.eventually { world.text("s1.out") == "one\n" }
            try world.eventually { world.exists(world.paths.keeperPID(for: keeper.session)) }
            #expect(world.manager.isKeeperAlive(for: "s1"))
            #expect(try world.discover().keepers.map(\.keeperPID) == [keeper.pid])
            guard case .failure(.sessionTaken) = try world.trySpawn("s1", by: manager) else {
                Issue.record("it started again")
                return
            }
            #expect(world.manager.killKeeper(for: "s1"))
            try world.eventually { !keeper.process.isRunning }
            #expect(!world.manager.isKeeperAlive(for: "s1"))
        }
    }

    /// As much of the original as matters here: no lock, a bare pid file written in place after the bind, and the rule for
    /// the directory.
    private static let keeper = """
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
        try write("#!/bin/sh\n", to: path)
        try start(["chmod", "+x", path])
        try eventually { Files.isExecutable(path) }
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
