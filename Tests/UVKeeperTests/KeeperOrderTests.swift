import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

/// What a keeper is started with, and what is refused before any file of the session exists.
@Suite struct KeeperOrderTests {
    private func order(
        _ command: [String]?, _ arguments: [String]? = nil, in directory: String = "/",
        by sidecar: SidecarCommand = ["/x/uvkeeper-sidecar"], environment: [String: String] = [:],
    ) throws -> KeeperOrder {
        var variables = environment
        variables["PATH"] = ProcessEnvironment.current["PATH"]
        return try KeeperOrder(
            "s1", by: sidecar, in: directory,
            SpawnOptions(environment: ProcessEnvironment(variables), command: command, arguments: arguments),
            sessionsDirectory: "/base/.pi/dashboard/sessions")
    }

    @Test("a command goes into the environment as long as a variable can have it")
    func short() throws {
        let order = try order(["cat", "-"], [String(repeating: "x", count: 98_000)])
        #expect(order.commandFile == nil)
        #expect(order.environment[KeeperVariable.command] == #"["cat","-"]"#)
        #expect(order.environment[KeeperVariable.arguments]?.utf8.count == 98_004)
        #expect(order.environment[KeeperVariable.commandFile] == nil)
    }

    @Test(
        "a longer one goes to the keeper's standard input",
        arguments: [["x": 70_000, "y": 70_000], ["\"": 70_000], ["\u{1}": 25_000]])
    func long(counts: [String: Int]) throws {
        let arguments = counts.map { String(repeating: $0.key, count: $0.value) }
        let order = try order(
            ["cat"], arguments,
            environment: [KeeperVariable.command: "[\"old\"]", KeeperVariable.arguments: "[\"old\"]"])
        #expect(order.environment[KeeperVariable.commandFile] == CommandFile.standardInput)
        #expect(order.environment[KeeperVariable.command] == nil && order.environment[KeeperVariable.arguments] == nil)
        let bytes = try #require(order.commandFile)
        #expect(CommandFile.decode(bytes) == (["cat"] + arguments).map { Array($0.utf8) })
        let foreign = try self.order(["cat"], arguments, by: ["node", "keeper.cjs"])
        #expect(foreign.commandFile == nil && foreign.environment[KeeperVariable.arguments] != nil)
    }

    @Test("bytes that are no UTF-8 reach the keeper as they are")
    func bytes() throws {
        let order = try order(["cat"], [RawText.string([0x61, 0xE9])])
        #expect(order.commandFile == Array("cat\0a".utf8) + [0xE9, 0])
        #expect(throws: KeeperError.notForForeignSidecar) {
            _ = try self.order(["cat"], [RawText.string([0x61, 0xE9])], by: ["node", "keeper.cjs"])
        }
    }

    @Test("a child gets arguments as long as the system takes them, and of any bytes")
    func longEndToEnd() throws {
        try withWorld { world throws in
            let arguments = ["\(String(repeating: "x", count: 100_000))", String(repeating: "\"", count: 60_000)]
            let script = "printf '%s' \"$1$2$3\" >args; exec cat"
            _ = try world.trySpawn(
                "s1", command: ["sh", "-c", script, "sh"], arguments: arguments + [RawText.string([0xE9])]
            ).get()
            try world.eventually { (try? Files.status(of: world.path("args")).size) == 160_001 }
            #expect(try Files.read(world.path("args"), limit: 200_000).last == 0xE9)
        }
    }

    @Test("long arguments alone take the command of the environment with them")
    func longArguments() throws {
        let long = String(repeating: "x", count: 100_000)
        let order = try order(nil, [long], environment: [KeeperVariable.command: #"["cat","-n"]"#])
        #expect(order.commandFile.flatMap { CommandFile.decode($0) } == ["cat", "-n", long].map { Array($0.utf8) })
    }

    private func group(
        _ scope: ScopePolicy?, _ limits: SessionLimits = SessionLimits(),
        by sidecar: SidecarCommand = ["/x/uvkeeper-sidecar"],
        environment: [String: String] = [:],
    ) throws -> [String: String] {
        var variables = environment
        variables["PATH"] = ProcessEnvironment.current["PATH"]
        let order = try KeeperOrder(
            "s1", by: sidecar, in: "/",
            SpawnOptions(
                environment: ProcessEnvironment(variables), command: ["cat"], scope: scope, limits: limits),
            sessionsDirectory: "/base/.pi/dashboard/sessions")
        let names = [
            KeeperVariable.scope, KeeperVariable.memoryMaximum, KeeperVariable.memoryHigh, KeeperVariable.cpuQuota,
            KeeperVariable.tasksMaximum,
        ]
        return order.environment.variables.filter { names.contains($0.key) }
    }

    @Test("a keeper of ours is told to leave a service if it can, unless told otherwise; limits go with it")
    func scope() throws {
        #expect(try group(nil) == [KeeperVariable.scope: "auto"])
        #expect(try group(nil, environment: [KeeperVariable.scope: ""]) == [KeeperVariable.scope: "auto"])
        #expect(try group(nil, environment: [KeeperVariable.scope: "off"]) == [KeeperVariable.scope: "off"])
        #expect(try group(.require, environment: [KeeperVariable.scope: "off"]) == [KeeperVariable.scope: "require"])
        #expect(try group(.off) == [KeeperVariable.scope: "off"])
        let limits = SessionLimits(memoryMaximum: 1 << 30, tasksMaximum: 5)
        #expect(
            try group(nil, limits, environment: [KeeperVariable.cpuQuota: "50", KeeperVariable.tasksMaximum: "9"]) == [
                KeeperVariable.scope: "auto", KeeperVariable.memoryMaximum: "1073741824", KeeperVariable.cpuQuota: "50",
                KeeperVariable.tasksMaximum: "5",
            ])
    }

    @Test("a foreign sidecar gets no variables of ours, and is not asked for what it cannot do")
    func foreignScope() throws {
        let foreign: SidecarCommand = ["node", "keeper.cjs"]
        for scope in [nil, .auto, .off] as [ScopePolicy?] { #expect(try group(scope, by: foreign) == [:]) }
        #expect(throws: KeeperError.self) { _ = try group(.require, by: foreign) }
        #expect(throws: KeeperError.self) { _ = try group(nil, SessionLimits(memoryHigh: 1), by: foreign) }
    }

    @Test("only a foreign sidecar is told the directory by the rule")
    func directory() throws {
        let home = ["HOME": "/home/u", KeeperVariable.dashboardHome: "/elsewhere"]
        for sidecar in [
            ["/x/uvkeeper-sidecar"], ["/usr/bin/env", "uvkeeper-sidecar"], ["/srv", "--uvkeeper-sidecar"],
        ] {
            let ours = try order(["cat"], by: SidecarCommand(sidecar), environment: home)
            #expect(ours.environment[KeeperVariable.dashboardHome] == "/elsewhere")
            #expect(ours.environment[KeeperVariable.sessionsDirectory] == "/base/.pi/dashboard/sessions")
        }
        let foreign = try order(["cat"], by: ["node", "keeper.cjs"], environment: home)
        #expect(foreign.environment[KeeperVariable.dashboardHome] == "/base")
    }

    @Test("a working directory or command that cannot be used is refused, and nothing is made")
    func unusable() throws {
        try withWorld { world throws in
            try world.write("", to: world.path("file"))
            try Files.makeDirectory(at: world.path("directory"))
            #expect(try world.spawnError("s1", in: "") == .noWorkingDirectory)
            let file = world.path("file")
            #expect(try world.spawnError("s1", in: file) == .cannotStart(.workingDirectory(file, .notDirectory)))
            let commands: [(String, SpawnError)] = [
                ("no-such-program", .executableNotFound("no-such-program")), ("./none", .executableNotFound("./none")),
                ("./file", .executable("./file", .accessDenied)),
                ("./directory", .executable("./directory", .isDirectory)),
                (file, .executable(file, .accessDenied)),
            ]
            for (command, error) in commands {
                #expect(try world.spawnError("s1", command: [command]) == .unusable(error))
            }
            let environment = [KeeperVariable.command: #"["no-such-program"]"#, KeeperVariable.arguments: "[]"]
            let result = try world.trySpawn("s1", environment: environment, arguments: [])
            #expect(result.error == .unusable(.executableNotFound("no-such-program")))
            #expect(!world.exists(world.paths.directory))
            try writeExecutable("#!/bin/sh\nexec cat\n", to: world.path("program"))
            _ = try world.spawn("s1", command: ["./program"])
        }
    }
}
