import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@testable import KeeperSidecar

/// Keepers in real control groups, with a service manager in this process.
@Suite("Keeper: its scope", .enabled(if: Posix.isRoot, "only root can make control groups"))
struct KeeperScopeTests {
    private static let allCalls = [
        "Hello", "Get", "GetConnectionUnixProcessID", "AddMatch", "Subscribe", "StartTransientUnit",
    ]

    @Test("in a service, the keeper is moved before its child starts; record and status say where, and all of it goes")
    func moves() throws {
        try withControlGroup { home, group in
            let bus = try home.bus(group.moving)
            let keeper = try home.startReady(settings: bus.settings(), shell: group.shell(TestControlGroup.service))
            let record = try #require(keeper.record)
            let unit = "uvkeeper-s-\(record.epoch).scope"
            #expect(record.controlGroup == "\(group.name)/\(unit)" && record.survivesServiceStop == true)
            #expect(TestControlGroup.name(of: keeper.pid) == "\(group.name)/\(unit)")
            #expect(TestControlGroup.name(of: try #require(keeper.childPID)) == "\(group.name)/\(unit)/child")
            #expect(keeper.log.contains("the session has a scope of its own: \(group.name)/\(unit)"))
            let client = try home.channel(of: keeper)
            let status = try client.status()
            #expect(status.place == record.place)
            #expect(bus.calls.map(\.member) == Self.allCalls)
            #expect(bus.calls[1].path.hasSuffix("/unit/test_2eservice"))
            try home.send("a\n", to: keeper)
            try home.until("the line arrives") { home.text() == "a\n" }
            client.send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.record?.exit?.by == .kill && keeper.record?.exit?.oom == nil)
            #expect(!Files.exists("\(group.path)/\(unit)/child"), "the child's group is the keeper's to remove")
            try bus.close()
        }
    }

    @Test("without a word about it, and in no service, nobody is asked", arguments: ["off", "unset", "outside"])
    func leavesAlone(way: String) throws {
        try withControlGroup { home, group in
            let bus = try home.bus(group.moving)
            var settings = bus.settings()
            if way == "off" { settings["PI_KEEPER_SCOPE"] = "off" }
            if way == "unset" { settings["PI_KEEPER_SCOPE"] = String?.none }
            let name = way == "outside" ? "plain" : TestControlGroup.service
            let keeper = try home.startReady(settings: settings, shell: group.shell(name))
            #expect(keeper.record?.controlGroup == "\(group.name)/\(name)")
            #expect(keeper.record?.survivesServiceStop == (way == "outside" ? nil : false))
            #expect(TestControlGroup.name(of: try #require(keeper.childPID)) == "\(group.name)/\(name)")
            #expect(bus.connections == 0)
            try bus.close()
        }
    }

    @Test("where nobody can tell what would take the session along, require asks all the same, and has it, or status 2")
    func requiresOutside() throws {
        try withControlGroup { home, group in
            let bus = try home.bus(group.moving)
            let keeper = try home.startReady(settings: bus.settings(.require), shell: group.shell("plain"))
            let record = try #require(keeper.record)
            #expect(record.controlGroup == "\(group.name)/uvkeeper-s-\(record.epoch).scope")
            #expect(bus.calls.map(\.member) == Self.allCalls.filter { $0 != "Get" })
            try bus.close()
            var nowhere = bus.settings(.require)
            nowhere["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=\(home.base)/nowhere"
            let refused = try home.start("t", settings: nowhere, shell: group.shell("plain"))
            #expect(try home.runToEnd(refused) == .exited(code: 2))
            #expect((refused.log + refused.standardError).contains("nowhere: cannot connect to it"))
        }
    }

    @Test("a service with KillMode=process is not left, and is survived")
    func killModeProcess() throws {
        try withControlGroup { home, group in
            let bus = try home.bus(.answers(FakeBus.systemd(killMode: "process")))
            let keeper = try home.startReady(
                settings: bus.settings(.require), shell: group.shell(TestControlGroup.service))
            #expect(keeper.record?.controlGroup == "\(group.name)/\(TestControlGroup.service)")
            #expect(keeper.record?.survivesServiceStop == true)
            #expect(keeper.log.contains("the service's KillMode is process"))
            try bus.close()
        }
    }

    /// What a bus does wrong, and how the keeper says it.
    private struct Fault: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var behaviour: @Sendable () -> FakeBus.Behaviour
        var words: String
    }

    private static let faults = [
        Fault(
            testDescription: "refuses the user", behaviour: { .says(Array("REJECTED EXTERNAL\r\n".utf8)) },
            words: "the bus does not take this user"),
        Fault(testDescription: "is silent", behaviour: { .says([]) }, words: "within 500 ms"),
        Fault(testDescription: "is none", behaviour: { .says(Array("220 mail\r\n".utf8)) }, words: "is no D-Bus"),
        Fault(
            testDescription: "fails the job", behaviour: { .answers(FakeBus.systemd(result: "failed")) },
            words: "ended as failed"),
        Fault(
            testDescription: "answers with an error",
            behaviour: {
                let answers = FakeBus.systemd()
                return .answers {
                    $0.member == "StartTransientUnit"
                        ? BusAnswer.failure(of: $0.serial, "org.a.No", "it may not") : try answers($0)
                }
            }, words: "it may not (org.a.No)"),
        Fault(
            testDescription: "takes another process for the sender",
            behaviour: { .answers(FakeBus.systemd(sender: 1)) }, words: "the bus takes process 1 for the sender"),
        Fault(
            testDescription: "breaks off", behaviour: { .breaks(after: 100, FakeBus.systemd()) }, words: "it broke off"),
        Fault(
            testDescription: "says that it is done, and it is not", behaviour: { .answers(FakeBus.systemd()) },
            words: ".scope, and it is in /"),
    ]

    @Test(
        "whatever is wrong with the bus, auto goes on with a word, and require is status 2 with the same",
        arguments: Self.faults)
    private func goesOn(fault: Fault) throws {
        try withControlGroup { home, group in
            let bus = try home.bus(fault.behaviour())
            let keeper = try home.startReady(settings: bus.settings(), shell: group.shell(TestControlGroup.service))
            #expect(keeper.log.contains(fault.words) && keeper.log.contains("goes on without"))
            #expect(keeper.record?.survivesServiceStop == false)
            #expect(keeper.record?.controlGroup == "\(group.name)/\(TestControlGroup.service)")
            try home.send("a\n", to: keeper)
            try home.until("the line arrives") { home.text() == "a\n" }
            let other = try home.start(
                "t", settings: bus.settings(.require), shell: group.shell(TestControlGroup.service))
            #expect(try home.runToEnd(other) == .exited(code: 2))
            #expect((other.log + other.standardError).contains(fault.words))
            #expect(home.names == KeeperHome.liveNames, "nothing of the other one is left")
            try bus.close()
        }
    }

    @Test(
        "a real bus without a service manager, as of dbus-run-session: auto goes on, and require is status 2 with the same words",
        .enabled(if: Files.exists("/usr/bin/dbus-daemon"), "dbus-daemon is missing"))
    func sessionBus() throws {
        try withControlGroup { home, group in
            let path = "\(home.base)/real-bus"
            var address = ""
            let daemon = try ChildProcess(
                .init(
                    executable: "/usr/bin/dbus-daemon",
                    arguments: ["--session", "--nofork", "--print-address", "--address=unix:path=\(path)"],
                    stdio: [.ignore, .pipe, .ignore]), on: home.loop
            ) { _, _ in }
            defer { expectNoError { () throws(UVError) in try daemon.kill(.kill) } }
            try daemon.streams[1]!.readStart(
                onBytes: { _, bytes in
                    address += bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
                }, onEnd: { stream, _ in stream.close() })
            try home.until("the bus listens") { address.hasSuffix("\n") }
            let settings = ["PI_KEEPER_SCOPE": "auto", "DBUS_SYSTEM_BUS_ADDRESS": address.dropLast().description]
            let words = "as it should, and goes on without: \(path): "
            let keeper = try home.startReady(settings: settings, shell: group.shell(TestControlGroup.service))
            #expect(keeper.log.contains(words) && keeper.log.contains("(org.freedesktop.DBus.Error."), "\(keeper.log)")
            #expect(keeper.record?.survivesServiceStop == false)
            let other = try home.start(
                "t", settings: settings.merging(["PI_KEEPER_SCOPE": "require"]) { $1 },
                shell: group.shell(TestControlGroup.service)
            )
            #expect(try home.runToEnd(other) == .exited(code: 2))
            #expect(other.log.contains("as it should: \(path): "), "\(other.log)")
        }
    }

    @Test("a signal ends a keeper that waits for the bus, in order", arguments: [Signal.terminate, .interrupt])
    func endsWhileWaiting(signal: Signal) throws {
        try withControlGroup { home, group in
            let bus = try home.bus(.says([]))
            // It waits half a second: whoever comes too late tries again.
            for round in 0... {
                let keeper = try home.start(
                    "s\(round)", settings: bus.settings(), shell: group.shell(TestControlGroup.service))
                let calls = bus.calls.count
                try home.until("it has asked") { bus.calls.count > calls }
                try keeper.send(signal)
                #expect(try home.runToEnd(keeper) == .exited(code: 0))
                guard keeper.log.contains("before the session has a control group") || round == 50 else { continue }
                #expect(!keeper.log.contains("spawning pi") && keeper.record == nil)
                #expect(home.names.isEmpty)
                break
            }
            try bus.close()
        }
    }

    @Test("a relay of the bus is not moved in the keeper's stead: nothing is asked for")
    func relayed() throws {
        try withControlGroup { home, group in
            let bus = try home.bus(
                .answers(FakeBus.systemd(sender: 1) { unit, process in try group.move(process, to: unit) }))
            let keeper = try home.startReady(settings: bus.settings(), shell: group.shell(TestControlGroup.service))
            #expect(bus.calls.map(\.member) == ["Hello", "Get", "GetConnectionUnixProcessID"])
            let words =
                "takes process 1 for the sender, and this is \(keeper.pid): a relay is between, or this is a pid"
            #expect(keeper.log.contains(words), "\(keeper.log)")
            try bus.close()
        }
    }

    /// A service manager that makes the scope when it is asked to stop it, and ends its processes then.
    private func late(_ group: TestControlGroup) -> FakeBus.Behaviour {
        let answers = FakeBus.systemd()
        return .answers { call in
            if call.member == "StopUnit", let process = call.processID {
                try group.move(process, to: call.texts[0])
                try Processes.send(.terminate, to: process)
                return BusAnswer.answer(to: call.serial, .path(FakeBus.job))
            }
            return call.member == "StartTransientUnit" ? nil : try answers(call)
        }
    }

    @Test("a scope that has been made, and is not told of in time, is used")
    func untold() throws {
        try withControlGroup { home, group in
            let answers = FakeBus.systemd { unit, process in try group.move(process, to: unit) }
            let bus = try home.bus(
                .answers { call in
                    let answer = try answers(call)
                    return call.member == "StartTransientUnit" ? nil : answer
                })
            let keeper = try home.startReady(
                settings: bus.settings(.require), shell: group.shell(TestControlGroup.service))
            #expect(keeper.log.contains("the session has a scope of its own"))
            #expect(bus.calls.map(\.member) == Self.allCalls)
            try bus.close()
        }
    }

    @Test(
        "a required scope that is not answered for in time is withdrawn: the keeper's status is 2, and no scope stays")
    func withdrawn() throws {
        try withControlGroup { home, group in
            let stops = try home.bus(late(group))
            let keeper = try home.start(
                settings: stops.settings(.require), shell: group.shell(TestControlGroup.service))
            #expect(try home.runToEnd(keeper) == .exited(code: 2))
            #expect(keeper.log.contains("within 500 ms") && !keeper.log.contains("spawning pi"), "\(keeper.log)")
            let calls = stops.calls
            #expect(calls.map(\.member) == Self.allCalls + ["StopUnit"])
            #expect(calls.last?.texts == [calls[5].texts[0], "replace"])
            try stops.close()
            // Neither is the withdrawal waited for without end.
            let silent = try FakeBus(
                .answers { try ["StartTransientUnit", "StopUnit"].contains($0.member) ? nil : FakeBus.systemd()($0) },
                at: "\(home.base)/silent", on: home.loop)
            let other = try home.start("t", settings: silent.settings(.require), shell: group.shell("other.service"))
            #expect(try home.runToEnd(other) == .exited(code: 2))
            #expect(other.log.contains("within 500 ms") && silent.calls.last?.member == "StopUnit")
            try silent.close()
        }
    }

    @Test("a scope that is not required is not withdrawn: the keeper may be in it by then")
    func notWithdrawn() throws {
        try withControlGroup { home, group in
            let bus = try home.bus(
                .answers { try $0.member == "StartTransientUnit" ? nil : FakeBus.systemd()($0) })
            let keeper = try home.startReady(settings: bus.settings(), shell: group.shell(TestControlGroup.service))
            #expect(keeper.log.contains("within 500 ms") && bus.calls.map(\.member) == Self.allCalls)
            try bus.close()
        }
    }

    @Test("a manager that was given up may move the keeper later: its child stays in the service, and status says so")
    func movedLate() throws {
        try withControlGroup { home, group in
            let bus = try home.bus(.says([]))
            let keeper = try home.startReady(settings: bus.settings(), shell: group.shell(TestControlGroup.service))
            #expect(keeper.log.contains("within 500 ms"))
            try group.move(keeper.pid, to: "late.scope")
            let status = try home.channel(of: keeper).status()
            #expect(status.controlGroup == "\(group.name)/late.scope" && status.survivesServiceStop == false)
            try bus.close()
        }
    }

    @Test(
        "a manager that says it is done may have moved the keeper elsewhere, or do so later: what is told is where it is"
    )
    func movedElsewhere() throws {
        try withControlGroup { home, group in
            let elsewhere = try home.bus(
                .answers(FakeBus.systemd { _, process in try group.move(process, to: "uvkeeper-else.scope") }))
            let keeper = try home.startReady(
                settings: elsewhere.settings(), shell: group.shell(TestControlGroup.service))
            let place = SessionPlace(controlGroup: "\(group.name)/uvkeeper-else.scope", survivesServiceStop: true)
            #expect(keeper.log.contains(".scope, and it is in \(group.name)/uvkeeper-else.scope"), "\(keeper.log)")
            #expect(keeper.record?.place == place)
            #expect(try home.channel(of: keeper).status().place == place)
            try elsewhere.close()
            let later = try FakeBus(.answers(FakeBus.systemd()), at: "\(home.base)/later", on: home.loop)
            let other = try home.startReady("t", settings: later.settings(), shell: group.shell("other.service"))
            #expect(other.record?.controlGroup == "\(group.name)/other.service")
            try group.move(other.pid, to: "late.scope")
            let status = try home.channel(of: other).status()
            #expect(status.controlGroup == "\(group.name)/late.scope" && status.survivesServiceStop == false)
            try later.close()
        }
    }

    @Test(
        "a scope outside of the keeper's cgroup namespace, or of the part that is mounted here, is had, and nothing is made in it",
        arguments: [true, false])
    func scopeElsewhere(isNamespace: Bool) throws {
        try withControlGroup { home, group in
            let bus = try home.bus(group.moving)
            let mount = isNamespace ? "" : "mount --bind \(group.path) /sys/fs/cgroup && "
            let inside = try group.shell(TestControlGroup.service).replacing(
                #"exec "$@""#,
                with: #"exec unshare \#(isNamespace ? "--cgroup" : "--mount") /bin/sh -c '\#(mount)exec "$@"' sh "$@""#)
            let keeper = try home.startReady(settings: bus.settings(.require), shell: inside)
            let unit = "uvkeeper-s-\(try #require(keeper.record?.epoch)).scope"
            let place = isNamespace ? "/../\(unit)" : "\(group.name)/\(unit)"
            #expect(keeper.record?.controlGroup == place && keeper.record?.survivesServiceStop == true, "\(keeper.log)")
            for pid in [keeper.pid, try #require(keeper.childPID)] {
                #expect(TestControlGroup.name(of: pid) == "\(group.name)/\(unit)")
            }
            #expect(!Files.exists("\(group.path)/\(unit)/child") && !Files.exists("\(group.path)/../../\(unit)"))
            #expect(!Files.exists("\(group.path)/\(group.name)"))
            try home.channel(of: keeper).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            try bus.close()
        }
    }

    @Test("a session with a scope whose limits have no effect is told to be unbounded, and not to have no group")
    func unbounded() throws {
        try withControlGroup { home, group in
            // The groups below the test's have no controllers.
            let bus = try home.bus(group.moving)
            let limits = ["PI_KEEPER_TASKS_MAX": "50", "PI_KEEPER_MEMORY_MAX": "1G"]
            let keeper = try home.startReady(
                settings: bus.settings().merging(limits) { $1 }, shell: group.shell("plain"))
            #expect(keeper.log.contains("the session has a scope of its own"))
            let words = "the session is not bounded as it should be"
            let reason = "this system cannot bound a session by memory.max, pids.max"
            #expect(keeper.log.contains("\(words), and goes on without: \(reason)"), "\(keeper.log)")
            #expect(!keeper.log.contains("no control group"))
            let required = try home.start(
                "r", settings: bus.settings(.require).merging(limits) { $1 }, shell: group.shell("other"))
            #expect(try home.runToEnd(required) == .exited(code: 2))
            #expect(required.log.contains("\(words): \(reason)") && !required.log.contains("no control group"))
            try bus.close()
        }
    }

    @Test(
        "in a pid namespace of its own, nobody can tell whether a session survives its service: that ends with its process 1",
        arguments: [true, false])
    func pidNamespace(isMounted: Bool) throws {
        try withControlGroup { home, group in
            let bus = try home.bus(group.moving)
            let proc = isMounted ? "--mount-proc" : ""
            let inside = try group.shell(TestControlGroup.service).replacing(
                #"exec "$@""#, with: #"exec unshare --pid --fork --kill-child \#(proc) "$@""#)
            let keeper = try home.start(settings: bus.settings(), shell: inside)
            try home.until("it is ready") { keeper.log.contains("keeper ready: s") || keeper.exitStatus != nil }
            let place = try #require(keeper.record?.place)
            // Nor is a scope asked for: the bus knows the keeper by another number.
            #expect(place.controlGroup == "\(group.name)/\(TestControlGroup.service)", "\(keeper.log)")
            #expect(
                place.survivesServiceStop == nil && keeper.log.contains("for the sender, and this is 1: a relay is"))
            try home.channel(of: keeper).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            try bus.close()
        }
    }
}
