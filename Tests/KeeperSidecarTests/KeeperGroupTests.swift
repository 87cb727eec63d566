import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@testable import KeeperSidecar

/// Keepers in real control groups, with a service manager in this process.
@Suite("Keeper: its control group", .enabled(if: Posix.isRoot, "only root can make control groups"))
struct KeeperGroupTests {
    private static let service = "test.service"

    /// CAP_SYS_RESOURCE, which root of a container may not have.
    private static var maySetMemoryScore: Bool {
        let status = (try? Files.read("/proc/self/status", limit: 4096)) ?? []
        let line = String(decoding: status, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        let digits = line?.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) } ?? 0
        return digits & (1 << 24) != 0
    }

    private func withGroup(_ body: (KeeperHome, TestControlGroup) throws -> Void) throws {
        let isPossible = try TestControlGroup.with { group in try withKeeperHome { try body($0, group) } }
        if !isPossible { withKnownIssue("skipped: no control groups of version 2 can be made here") { Issue.record() } }
    }

    /// The variables of a keeper that finds this bus.
    private func settings(_ bus: FakeBus, _ policy: ScopePolicy = .auto) -> [String: String?] {
        ["PI_KEEPER_SCOPE": policy.rawValue, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=\(bus.path)"]
    }

    private func bus(_ behaviour: FakeBus.Behaviour, _ home: KeeperHome) throws -> FakeBus {
        try FakeBus(behaviour, at: "\(home.base)/bus", on: home.loop)
    }

    private func moving(in group: TestControlGroup) -> FakeBus.Behaviour {
        .answers(FakeBus.systemd { unit, process in try group.move(process, to: unit) })
    }

    @Test("in a service, the keeper is moved before its child starts; record and status say where, and all of it goes")
    func moves() throws {
        try withGroup { home, group in
            let bus = try bus(moving(in: group), home)
            let keeper = try home.startReady(settings: settings(bus), shell: group.shell(Self.service))
            let record = try #require(keeper.record)
            let unit = "uvkeeper-s-\(record.epoch).scope"
            #expect(record.controlGroup == "\(group.name)/\(unit)" && record.survivesServiceStop == true)
            #expect(TestControlGroup.name(of: keeper.pid) == "\(group.name)/\(unit)")
            #expect(TestControlGroup.name(of: try #require(keeper.childPID)) == "\(group.name)/\(unit)/child")
            #expect(keeper.log.contains("the session has a scope of its own: \(group.name)/\(unit)"))
            let client = try home.channel(of: keeper)
            let status = try client.status()
            #expect(status.place == record.place)
            #expect(bus.calls.map(\.member) == ["Hello", "Get", "AddMatch", "Subscribe", "StartTransientUnit"])
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
        try withGroup { home, group in
            let bus = try bus(moving(in: group), home)
            var settings = settings(bus)
            if way == "off" { settings["PI_KEEPER_SCOPE"] = "off" }
            if way == "unset" { settings["PI_KEEPER_SCOPE"] = String?.none }
            let name = way == "outside" ? "plain" : Self.service
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
        try withGroup { home, group in
            let bus = try bus(moving(in: group), home)
            let keeper = try home.startReady(settings: settings(bus, .require), shell: group.shell("plain"))
            let record = try #require(keeper.record)
            #expect(record.controlGroup == "\(group.name)/uvkeeper-s-\(record.epoch).scope")
            #expect(bus.calls.map(\.member) == ["Hello", "AddMatch", "Subscribe", "StartTransientUnit"])
            try bus.close()
            var nowhere = settings(bus, .require)
            nowhere["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=\(home.base)/nowhere"
            let refused = try home.start("t", settings: nowhere, shell: group.shell("plain"))
            #expect(try home.runToEnd(refused) == .exited(code: 2))
            #expect((refused.log + refused.standardError).contains("nowhere: cannot connect to it"))
        }
    }

    @Test("a group's counts tell whether a process was killed for its memory")
    func memoryEvents() {
        let none = "low 0\nhigh 12\nmax 3\noom 1\noom_kill 0\noom_group_kill 0\n"
        #expect(!SessionGroup.tellsOfKilled(Array(none.utf8)) && !SessionGroup.tellsOfKilled([]))
        #expect(SessionGroup.tellsOfKilled(Array(none.replacing("oom_kill 0", with: "oom_kill 2").utf8)))
        #expect(!SessionGroup.tellsOfKilled(Array("oom_kill\noom_kill_x 1\n".utf8)))
    }

    private static let hasPython =
        ExecutableSearch.find("python3", path: ProcessEnvironment.current["PATH"]) != nil

    @Test(
        "a kill by systemd-oomd, which counts it in the group's attributes, is told as one for lack of memory",
        .enabled(if: hasPython, "python3 is missing"))
    func oomd() throws {
        try withGroup { home, group in
            for (id, attribute, count) in [
                ("a", "user.oomd_ooms", "1"), ("b", "user.oomd_kill", "12"), ("c", "user.oomd_kill", "0"),
                ("d", "user.other", "1"),
            ] {
                // The child does to its group what systemd-oomd does.
                let keeper = try home.startReady(
                    id,
                    child: """
                        read line; group=$(echo \(group.path)/uvkeeper-\(id)-*)/child
                        python3 -c 'import os, sys; os.setxattr(sys.argv[1], "\(attribute)", b"\(count)")' $group || exit 1
                        kill -KILL $$
                        """,
                    settings: ["PI_KEEPER_CGROUP": group.path])
                try home.until("it is ready") { keeper.log.contains("keeper ready") }
                try home.send("\n", to: keeper)
                #expect(try home.runToEnd(keeper) == .exited(code: 0))
                #expect(keeper.record?.exit?.signal == "KILL")
                #expect(keeper.record?.exit?.oom == (id < "c" ? true : nil), "\(attribute)=\(count)")
            }
        }
    }

    @Test("a service with KillMode=process is not left, and is survived")
    func killModeProcess() throws {
        try withGroup { home, group in
            let bus = try bus(.answers(FakeBus.systemd(killMode: "process")), home)
            let keeper = try home.startReady(settings: settings(bus, .require), shell: group.shell(Self.service))
            #expect(keeper.record?.controlGroup == "\(group.name)/\(Self.service)")
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
                .answers {
                    $0.member == "StartTransientUnit"
                        ? BusAnswer.failure(of: $0.serial, "org.a.No", "it may not") : BusAnswer.answer(to: $0.serial)
                }
            }, words: "it may not (org.a.No)"),
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
        try withGroup { home, group in
            let bus = try bus(fault.behaviour(), home)
            let keeper = try home.startReady(settings: settings(bus), shell: group.shell(Self.service))
            #expect(keeper.log.contains(fault.words) && keeper.log.contains("goes on without"))
            #expect(keeper.record?.survivesServiceStop == false)
            #expect(keeper.record?.controlGroup == "\(group.name)/\(Self.service)")
            try home.send("a\n", to: keeper)
            try home.until("the line arrives") { home.text() == "a\n" }
            let other = try home.start("t", settings: settings(bus, .require), shell: group.shell(Self.service))
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
        try withGroup { home, group in
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
            let keeper = try home.startReady(settings: settings, shell: group.shell(Self.service))
            #expect(keeper.log.contains(words) && keeper.log.contains("(org.freedesktop.DBus.Error."), "\(keeper.log)")
            #expect(keeper.record?.survivesServiceStop == false)
            let other = try home.start(
                "t", settings: settings.merging(["PI_KEEPER_SCOPE": "require"]) { $1 }, shell: group.shell(Self.service)
            )
            #expect(try home.runToEnd(other) == .exited(code: 2))
            #expect(other.log.contains("as it should: \(path): "), "\(other.log)")
        }
    }

    @Test("a signal ends a keeper that waits for the bus, in order", arguments: [Signal.terminate, .interrupt])
    func endsWhileWaiting(signal: Signal) throws {
        try withGroup { home, group in
            let bus = try bus(.says([]), home)
            // It waits half a second: whoever comes too late tries again.
            for round in 0... {
                let keeper = try home.start("s\(round)", settings: settings(bus), shell: group.shell(Self.service))
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

    @Test("a manager that was given up may move the keeper later: its child stays in the service, and status says so")
    func movedLate() throws {
        try withGroup { home, group in
            let bus = try bus(.says([]), home)
            let keeper = try home.startReady(settings: settings(bus), shell: group.shell(Self.service))
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
        try withGroup { home, group in
            let elsewhere = try bus(
                .answers(FakeBus.systemd { _, process in try group.move(process, to: "uvkeeper-else.scope") }), home)
            let keeper = try home.startReady(settings: settings(elsewhere), shell: group.shell(Self.service))
            let place = SessionPlace(controlGroup: "\(group.name)/uvkeeper-else.scope", survivesServiceStop: true)
            #expect(keeper.log.contains(".scope, and it is in \(group.name)/uvkeeper-else.scope"), "\(keeper.log)")
            #expect(keeper.record?.place == place)
            #expect(try home.channel(of: keeper).status().place == place)
            try elsewhere.close()
            let later = try FakeBus(.answers(FakeBus.systemd()), at: "\(home.base)/later", on: home.loop)
            let other = try home.startReady("t", settings: settings(later), shell: group.shell("other.service"))
            #expect(other.record?.controlGroup == "\(group.name)/other.service")
            try group.move(other.pid, to: "late.scope")
            let status = try home.channel(of: other).status()
            #expect(status.controlGroup == "\(group.name)/late.scope" && status.survivesServiceStop == false)
            try later.close()
        }
    }

    @Test(
        "a session that is started inside another's scope gets its own, and the outer one's SIGKILL does not reach it")
    func nested() throws {
        try withGroup { home, group in
            let bus = try bus(moving(in: group), home)
            let outer = try home.startReady(
                child: """
                    export PI_DASHBOARD_HOME=$HOME PI_KEEPER_PI_CMD='["cat"]' PI_KEEPER_PI_ARGS='[]'
                    PI_KEEPER_SCOPE=auto \(BuiltProducts.sidecar) own </dev/null >/dev/null 2>&1 &
                    PI_KEEPER_SCOPE=off \(BuiltProducts.sidecar) shared </dev/null >/dev/null 2>&1 &
                    exec cat
                    """,
                settings: settings(bus), shell: group.shell(Self.service))
            let directory = "\(home.base)/.pi/dashboard/sessions"
            func pid(_ session: String) -> Int32? {
                (try? Files.read("\(directory)/\(session).rpc.sock.pid", limit: 32)).flatMap {
                    Int32(String(decoding: $0, as: UTF8.self))
                }
            }
            for session in ["own", "shared"] {
                try home.until("\(session) listens") {
                    pid(session).map { SocketProbe("\(directory)/\(session).rpc.sock") == .accepting(pid: $0) } ?? false
                }
            }
            let scope = try #require(outer.record?.controlGroup)
            let (own, shared) = (try #require(pid("own")), try #require(pid("shared")))
            #expect(TestControlGroup.name(of: own)?.hasPrefix("\(group.name)/uvkeeper-own-") == true)
            #expect(TestControlGroup.name(of: shared) == "\(scope)/child")
            try home.channel(of: outer).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(outer) == .exited(code: 0))
            for keeper in [own, shared] {
                #expect(Processes.liveness(of: keeper) == .alive)
                try Processes.send(.terminate, to: keeper)
                try home.until("it ends") { Processes.liveness(of: keeper) == .gone }
            }
            try bus.close()
        }
    }

    @Test("the last step of a stop reaches every process of the child's groups at once, and removes them")
    func killsGroup() throws {
        try withGroup { home, group in
            let keeper = try home.startReady(
                child: """
                    trap '' TERM; group=$(echo \(group.path)/uvkeeper-s-*)/child; mkdir $group/deep ${group%child}beside
                    for i in 1 2 3 4 5; do sleep 1000 & echo $! >>$HOME/pids; echo $! >$group/deep/cgroup.procs; done
                    echo >$HOME/up; exec cat
                    """,
                settings: ["PI_KEEPER_CGROUP": group.path])
            try home.until("all run") { home.text("up") != nil }
            let path = try #require(keeper.record?.controlGroup)
            #expect(path.hasPrefix("\(group.name)/uvkeeper-s-") && keeper.record?.survivesServiceStop == nil)
            // A process that does not descend from the keeper is reached through the group alone.
            var foreign: ProcessExit?
            let sleep = try ChildProcess(
                .init(executable: "/bin/sleep", arguments: ["1000"], stdio: [.ignore, .ignore, .ignore]), on: home.loop
            ) { foreign = $1 }
            defer { if foreign == nil { expectNoError { () throws(UVError) in try sleep.kill(.kill) } } }
            try TestControlGroup.put(sleep.pid, into: "\(group.path)\(path.dropFirst(group.name.count))/child")
            try home.channel(of: keeper).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            try home.until("the foreign process has ended") { foreign != nil }
            #expect(foreign == .signaled(.kill))
            #expect(keeper.record?.exit?.by == .kill && keeper.record?.exit?.leftBehind == [])
            for pid in home.text("pids")!.split(separator: "\n") {
                #expect(Processes.liveness(of: Int32(pid)!) == .gone)
            }
            #expect(group.names(except: "") == [], "nothing of the session's group is left")
        }
    }

    @Test("a session inside another one is found among many processes, and deep in groups beside many others")
    func nestedDeep() throws {
        try withGroup { home, group in
            // More numbers than one read takes.
            let outer = try home.startReady(
                child: """
                    export PI_DASHBOARD_HOME=$HOME PI_KEEPER_PI_CMD='["cat"]' PI_KEEPER_PI_ARGS='[]'
                    cd \(group.path)/uvkeeper-s-*/child; mkdir -p a b c/d.e/f g
                    i=0; while [ $i -lt 1000 ]; do sleep 1000 & i=$((i+1)); done
                    sh -c 'echo $$ >c/d.e/f/cgroup.procs; exec "$0" inner' \(BuiltProducts.sidecar) </dev/null >/dev/null 2>&1 &
                    echo $! >$HOME/inner; exec cat
                    """,
                settings: ["PI_KEEPER_CGROUP": group.path])
            let socket = "\(home.directory)/inner.rpc.sock"
            let keeper = try #require(try home.pids(["inner"]).first)
            try home.until("inner listens") { SocketProbe(socket) == .accepting(pid: keeper) }
            let name = try #require(outer.record?.controlGroup)
            #expect(TestControlGroup.name(of: keeper) == "\(name)/child/c/d.e/f")
            try home.channel(of: outer).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(outer) == .exited(code: 0))
            #expect(Processes.liveness(of: keeper) == .alive && outer.record?.exit?.leftBehind == [])
            try Processes.send(.terminate, to: keeper)
            try home.until("inner ends") { Processes.liveness(of: keeper) == .gone }
        }
    }

    @Test("the child of a session inside another one is spared also after its keeper was moved away from it")
    func nestedMoved() throws {
        try withGroup { home, group in
            let outer = try home.startReady(
                child: """
                    export PI_DASHBOARD_HOME=$HOME PI_KEEPER_PI_ARGS='[]'
                    PI_KEEPER_PI_CMD='["cat"]' \(BuiltProducts.sidecar) inner </dev/null >/dev/null 2>&1 &
                    trap '' TERM; sleep 1000 & echo $! >$HOME/own; exec cat
                    """,
                settings: ["PI_KEEPER_CGROUP": group.path])
            let socket = "\(home.directory)/inner.rpc.sock"
            func pid(_ end: String) -> Int32? {
                (try? Files.read("\(socket).\(end)", limit: 32)).flatMap { Int32(String(decoding: $0, as: UTF8.self)) }
            }
            try home.until("inner listens") { pid("pid").map { SocketProbe(socket) == .accepting(pid: $0) } ?? false }
            let (keeper, child) = (try #require(pid("pid")), try #require(pid("pi-pid")))
            let name = try #require(outer.record?.controlGroup)
            #expect(TestControlGroup.name(of: child) == "\(name)/child")
            let own = try #require(try home.pids(["own"]).first)
            try group.move(keeper, to: "moved.scope")
            try home.channel(of: outer).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(outer) == .exited(code: 0))
            #expect(Processes.liveness(of: own) == .gone && outer.record?.exit?.leftBehind == [])
            #expect(Processes.liveness(of: keeper) == .alive && Processes.liveness(of: child) == .alive)
            try Processes.send(.terminate, to: keeper)
            try home.until("inner ends") {
                Processes.liveness(of: keeper) == .gone && Processes.liveness(of: child) == .gone
            }
        }
    }

    @Test("a session that was started inside another one, which has ended, leaves no group of its own")
    func nestedSubtree() throws {
        try withGroup { home, group in
            let outer = try home.startReady(
                child: """
                    export PI_DASHBOARD_HOME=$HOME PI_KEEPER_PI_CMD='["cat"]' PI_KEEPER_PI_ARGS='[]'
                    PI_KEEPER_CGROUP=\(group.path) \(BuiltProducts.sidecar) inner </dev/null >/dev/null 2>&1 &
                    exec cat
                    """,
                settings: ["PI_KEEPER_CGROUP": group.path])
            let inner = "\(home.directory)/inner.rpc.sock"
            func pid() -> Int32? {
                (try? Files.read("\(inner).pid", limit: 32)).flatMap { Int32(String(decoding: $0, as: UTF8.self)) }
            }
            try home.until("inner listens") { pid().map { SocketProbe(inner) == .accepting(pid: $0) } ?? false }
            let keeper = try #require(pid())
            #expect(TestControlGroup.name(of: keeper)?.hasPrefix("\(group.name)/uvkeeper-inner-") == true)
            try home.channel(of: outer).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(outer) == .exited(code: 0))
            #expect(group.names(except: "").map { $0.hasPrefix("uvkeeper-inner-") } == [true])
            try Processes.send(.terminate, to: keeper)
            try home.until("inner ends") { Processes.liveness(of: keeper) == .gone }
            #expect(group.names(except: "") == [])
        }
    }

    /// Kills a keeper, and waits for its child's end.
    private func kill(_ keeper: KeeperProcess, _ home: KeeperHome) throws {
        let child = try #require(keeper.childPID)
        try keeper.send(.kill)
        try home.until("both have ended") {
            keeper.exitStatus != nil && Processes.liveness(of: child) == .gone
        }
    }

    @Test("the group that a killed keeper has left goes with the next start of its session, wherever that is")
    func removesFormerGroup() throws {
        try withGroup { home, group in
            try kill(try home.startReady(settings: ["PI_KEEPER_CGROUP": group.path]), home)
            #expect(group.names(except: "").count == 1)
            let next = try home.startReady(settings: ["PI_KEEPER_CGROUP": group.make("elsewhere")])
            #expect(group.names(except: "") == ["elsewhere"])
            try kill(next, home)
            #expect(try Files.names(inDirectory: "\(group.path)/elsewhere", startingWith: "uvkeeper-s-").count == 1)
            _ = try home.startReady(settings: ["PI_KEEPER_SCOPE": "off"])
            #expect(try Files.names(inDirectory: "\(group.path)/elsewhere", startingWith: "uvkeeper-").isEmpty)
        }
    }

    @Test(
        "of groups that no record names, the next start removes its session's empty ones that are older than a minute")
    func removesUnrecordedGroups() throws {
        try withGroup { home, group in
            func make(_ name: String, isOld: Bool = true) throws {
                let path = try group.make(name)
                if isOld { try Posix.setModificationTime(1_000_000, of: path) }
            }
            try make("uvkeeper-s-0000000000000001")
            try make("uvkeeper-s-0000000000000002", isOld: false)
            try make("uvkeeper-s-0000000000000002/child")
            try Posix.setModificationTime(1_000_000, of: "\(group.path)/uvkeeper-s-0000000000000002")
            let others = [
                "uvkeeper-s-t-0000000000000001", "uvkeeper-s-000000000000001", "uvkeeper-s-000000000000000g",
                "uvkeeper-s-", "uvkeeper-s", "uvkeeper-t-0000000000000001", "other",
            ]
            for name in others { try make(name) }
            try make("uvkeeper-s-0000000000000003", isOld: false)
            try make("uvkeeper-s-0000000000000004")
            let sleep = try ChildProcess(
                .init(executable: "/bin/sleep", arguments: ["1000"], stdio: [.ignore, .ignore, .ignore]), on: home.loop
            ) { _, _ in }
            defer { expectNoError { () throws(UVError) in try sleep.kill(.kill) } }
            try TestControlGroup.put(sleep.pid, into: "\(group.path)/uvkeeper-s-0000000000000004")
            let keeper = try home.startReady(settings: ["PI_KEEPER_CGROUP": group.path])
            let own = try #require(keeper.record?.controlGroup?.split(separator: "/").last).description
            #expect(
                Set(group.names(except: own))
                    == Set(others + ["uvkeeper-s-0000000000000003", "uvkeeper-s-0000000000000004"]))
        }
    }

    @Test("a group that a process of the session still lives in stays, and goes with the next start once it is empty")
    func staysWhileInUse() throws {
        try withGroup { home, group in
            let settings = ["PI_KEEPER_CGROUP": group.path]
            let keeper = try home.startReady(
                child: "trap '' HUP; sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >$HOME/left; read line",
                settings: settings)
            // Within the crash window the keeper would end what is left.
            try home.until("it is ready") { keeper.log.contains("keeper ready") }
            try home.until("it runs") { home.text("left")?.hasSuffix("\n") == true }
            let left = try #require(home.text("left").flatMap { Int32($0.dropLast()) })
            defer { expectNoError { () throws(UVError) in try Processes.send(.kill, to: left) } }
            try home.send("\n", to: keeper)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            let name = try #require(group.names(except: "").first)
            #expect(TestControlGroup.name(of: left) == "\(group.name)/\(name)/child")
            try Processes.send(.kill, to: left)
            try home.until("it has ended") { Processes.liveness(of: left) == .gone }
            _ = try home.startReady(settings: ["PI_KEEPER_SCOPE": "off"])
            #expect(group.names(except: "") == [])
        }
    }

    @Test("a group that is frozen, from itself or from above, is not entered: the start does not hang")
    func frozen() throws {
        try withGroup { home, group in
            let above = try group.make("above")
            try Files.makeDirectory(at: "\(above)/below")
            try TestControlGroup.write("1", to: "\(above)/cgroup.freeze")
            for path in [above, "\(above)/below"] {
                let keeper = try home.startReady(settings: ["PI_KEEPER_CGROUP": path])
                let words = "goes on without: \(path): EBUSY: resource busy or locked; it is frozen"
                #expect(keeper.log.contains(words), "\(keeper.log)")
                try keeper.send(.terminate)
                _ = try home.runToEnd(keeper)
            }
            let required = try home.start("r", settings: ["PI_KEEPER_CGROUP": above, "PI_KEEPER_SCOPE": "require"])
            #expect(try home.runToEnd(required) == .exited(code: 2))
            #expect(try Files.names(inDirectory: above, startingWith: "uvkeeper").isEmpty)
            try TestControlGroup.write("0", to: "\(above)/cgroup.freeze")
            let thawed = try home.startReady("t", settings: ["PI_KEEPER_CGROUP": above, "PI_KEEPER_SCOPE": "require"])
            #expect(thawed.record?.controlGroup?.hasPrefix("\(group.name)/above/uvkeeper-t-") == true)
        }
    }

    @Test("a keeper whose former group is frozen at its end passes it, and leaves nothing", arguments: [true, false])
    func formerFrozen(isAbove: Bool) throws {
        try withGroup { home, group in
            let subtree = try group.make("subtree")
            let above = try group.make("above")
            let keeper = try home.startReady(
                settings: ["PI_KEEPER_CGROUP": subtree], shell: group.shell("above/\(Self.service)"))
            #expect(TestControlGroup.name(of: keeper.pid)?.hasPrefix("\(group.name)/subtree/uvkeeper-s-") == true)
            let frozen = isAbove ? above : "\(above)/\(Self.service)"
            try TestControlGroup.write("1", to: "\(frozen)/cgroup.freeze")
            defer { expectNoError { try TestControlGroup.write("0", to: "\(frozen)/cgroup.freeze") } }
            try home.channel(of: keeper).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(try Files.names(inDirectory: subtree, startingWith: "uvkeeper-").isEmpty)
        }
    }

    @Test("where the hierarchy is mounted elsewhere, a session's group goes with its end all the same")
    func mountedElsewhere() throws {
        try withGroup { home, group in
            let elsewhere = "\(home.base)/groups"
            try Files.makeDirectory(at: elsewhere)
            let root = group.path.split(separator: "/").dropLast().map { "/\($0)" }.joined()
            let mounts = "mount --bind \(root) \(elsewhere) && mount -t tmpfs none /sys/fs/cgroup"
            let keeper = try home.startReady(
                settings: ["PI_KEEPER_CGROUP": "\(elsewhere)\(group.name)"],
                shell: #"exec unshare --mount /bin/sh -c '\#(mounts) && exec "$@"' sh "$@""#)
            #expect(keeper.record?.controlGroup?.hasPrefix("\(group.name)/uvkeeper-s-") == true, "\(keeper.log)")
            try home.channel(of: keeper).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(group.names(except: "") == [])
        }
    }

    @Test("a keeper whose former group is outside of its cgroup namespace makes no file anywhere")
    func formerOutside() throws {
        try withGroup { home, group in
            let top = "\(home.base)/top"
            try Files.makeDirectory(at: "\(top)/unified")
            let root = group.path.split(separator: "/").dropLast().map { "/\($0)" }.joined()
            let subtree = try group.make("subtree")
            let steps = [
                "mount --bind \(root) \(top)/unified", "echo $$ >\(try group.make("b"))/cgroup.procs",
                "mount --rbind \(top) /sys/fs/cgroup", #"exec "$@""#,
            ].joined(separator: " && ")
            let inside = try group.shell("a").replacing(
                #"exec "$@""#, with: #"exec unshare --mount --cgroup /bin/sh -c '\#(steps)' sh "$@""#)
            let keeper = try home.startReady(
                settings: ["PI_KEEPER_CGROUP": "\(top)/unified\(group.name)/subtree"], shell: inside)
            // Where a namespace is the border of a delegation, no process moves from one group outside to another.
            let isRefused = keeper.log.contains("goes on without")
            #expect(keeper.record?.controlGroup?.hasPrefix(isRefused ? "/../b" : "/../subtree/uvkeeper-s-") == true)
            try home.channel(of: keeper).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(try Files.names(inDirectory: subtree, startingWith: "uvkeeper-").isEmpty)
            #expect(try Files.names(inDirectory: top) == ["unified"])
        }
    }

    @Test(
        "a scope outside of the keeper's cgroup namespace, or of the part that is mounted here, is had, and nothing is made in it",
        arguments: [true, false])
    func scopeElsewhere(isNamespace: Bool) throws {
        try withGroup { home, group in
            let bus = try bus(moving(in: group), home)
            let mount = isNamespace ? "" : "mount --bind \(group.path) /sys/fs/cgroup && "
            let inside = try group.shell(Self.service).replacing(
                #"exec "$@""#,
                with: #"exec unshare \#(isNamespace ? "--cgroup" : "--mount") /bin/sh -c '\#(mount)exec "$@"' sh "$@""#)
            let keeper = try home.startReady(settings: settings(bus, .require), shell: inside)
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

    @Test(
        "in a pid namespace of its own, nobody can tell whether a session survives its service: that ends with its process 1",
        arguments: [true, false])
    func pidNamespace(isMounted: Bool) throws {
        try withGroup { home, group in
            let bus = try bus(moving(in: group), home)
            let proc = isMounted ? "--mount-proc" : ""
            let inside = try group.shell(Self.service).replacing(
                #"exec "$@""#, with: #"exec unshare --pid --fork --kill-child \#(proc) "$@""#)
            let keeper = try home.start(settings: settings(bus, .require), shell: inside)
            try home.until("it is ready") { keeper.log.contains("keeper ready: s") || keeper.exitStatus != nil }
            let place = try #require(keeper.record?.place)
            let unit = "uvkeeper-s-\(keeper.record?.epoch ?? "").scope"
            #expect(place.controlGroup == "\(group.name)/\(unit)", "\(keeper.log)")
            #expect(place.survivesServiceStop == nil)
            try home.channel(of: keeper).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            try bus.close()
        }
    }

    /// The root of a hierarchy of version 1; nil if the host has none.
    private static let version1 = ["systemd", "pids", "memory", "cpuset"].map { "/sys/fs/cgroup/\($0)" }
        .first { Files.exists("\($0)/cgroup.procs") && Files.exists("\($0)/tasks") }

    @Test(
        "a group of version 1 is refused and left as it was, and so is an ordinary directory, whatever files it has",
        arguments: [nil, version1].compactMap { $0 == nil ? "" : $0 })
    func refusesOthers(version1: String) throws {
        try withGroup { home, _ in
            let path = version1.isEmpty ? "\(home.base)/plain" : "\(version1)/uvk-\(CurrentProcess.id)"
            try Files.makeDirectory(at: path)
            defer { expectNoError { () throws(UVError) in if !version1.isEmpty { try Files.removeDirectory(path) } } }
            if version1.isEmpty {
                for name in ["procs", "events"] { try Posix.write("", to: "\(path)/cgroup.\(name)") }
            }
            let names = try Files.names(inDirectory: path)
            let keeper = try home.startReady(settings: ["PI_KEEPER_CGROUP": path])
            let words =
                "goes on without: \(path): EINVAL: invalid argument; it is no group of cgroup version 2"
            #expect(keeper.log.contains(words), "\(keeper.log)")
            let required = try home.start("r", settings: ["PI_KEEPER_CGROUP": path, "PI_KEEPER_SCOPE": "require"])
            #expect(try home.runToEnd(required) == .exited(code: 2))
            #expect((required.log + required.standardError).contains("it is no group of cgroup version 2"))
            #expect(try Files.names(inDirectory: path) == names)
        }
    }

    @Test("a session that cannot start leaves no group; neither does one whose group cannot be made")
    func leavesNothing() throws {
        try withGroup { home, group in
            let settings = ["PI_KEEPER_CGROUP": group.path, "PI_KEEPER_PI_CMD": #"["/nowhere/agent"]"#]
            #expect(try home.runToEnd(try home.start(settings: settings)) == .exited(code: 1))
            #expect(group.names(except: "") == [])
            // A directory that is no control group is left as it is.
            try Files.makeDirectory(at: "\(home.base)/plain")
            let plain = try home.startReady("p", settings: ["PI_KEEPER_CGROUP": "\(home.base)/plain"])
            #expect(plain.log.contains("goes on without") && plain.log.contains("plain/cgroup.procs"))
            #expect(try Files.names(inDirectory: "\(home.base)/plain") == [])
            let missing = try home.startReady("m", settings: ["PI_KEEPER_CGROUP": "/proc/nowhere"])
            #expect(missing.log.contains("goes on without") && missing.log.contains("/proc/nowhere"))
            let required = try home.start(
                "r", settings: ["PI_KEEPER_CGROUP": "/proc/nowhere", "PI_KEEPER_SCOPE": "require"])
            #expect(try home.runToEnd(required) == .exited(code: 2))
            _ = try home.startReady("n", settings: ["PI_KEEPER_CGROUP": "\(home.base)/none"])
            #expect(!Files.exists("\(home.base)/none"))
        }
    }

    @Test(
        "limits are set where the group has their controllers; where it has not, auto says so and require does not start"
    )
    func limits() throws {
        try withGroup { home, group in
            let root = group.path.split(separator: "/").dropLast().map { "/\($0)" }.joined()
            let controllers = String(decoding: try Files.read("\(root)/cgroup.controllers", limit: 4096), as: UTF8.self)
            let settings = ["PI_KEEPER_CGROUP": group.path, "PI_KEEPER_TASKS_MAX": "50", "PI_KEEPER_SCOPE": "require"]
            guard controllers.split(whereSeparator: \.isWhitespace).contains("pids") else {
                let refused = try home.start(settings: settings)
                #expect(try home.runToEnd(refused) == .exited(code: 2))
                let words = "/cgroup.subtree_control: ENOENT: no such file or directory; that group does not have"
                #expect(refused.log.contains(words), "\(refused.log)")
                #expect(group.names(except: "") == [])
                let goesOn = try home.startReady("t", settings: settings.merging(["PI_KEEPER_SCOPE": "auto"]) { $1 })
                #expect(goesOn.log.contains("goes on without"))
                return
            }
            let keeper = try home.startReady(settings: settings)
            let path = try #require(keeper.record?.controlGroup)
            #expect(try Files.read("\(root)\(path)/pids.max", limit: 100) == Array("50\n".utf8))
        }
    }

    @Test("a session with a scope whose limits have no effect is told to be unbounded, and not to have no group")
    func unbounded() throws {
        try withGroup { home, group in
            // The groups below the test's have no controllers.
            let bus = try bus(moving(in: group), home)
            let limits = ["PI_KEEPER_TASKS_MAX": "50", "PI_KEEPER_MEMORY_MAX": "1G"]
            let keeper = try home.startReady(
                settings: settings(bus).merging(limits) { $1 }, shell: group.shell("plain"))
            #expect(keeper.log.contains("the session has a scope of its own"))
            let words = "the session is not bounded as it should be"
            let reason = "this system cannot bound a session by memory.max, pids.max"
            #expect(keeper.log.contains("\(words), and goes on without: \(reason)"), "\(keeper.log)")
            #expect(!keeper.log.contains("no control group"))
            let required = try home.start(
                "r", settings: settings(bus, .require).merging(limits) { $1 }, shell: group.shell("other"))
            #expect(try home.runToEnd(required) == .exited(code: 2))
            #expect(required.log.contains("\(words): \(reason)") && !required.log.contains("no control group"))
            try bus.close()
        }
    }

    @Test("the keeper's score for the lack of memory is lowered, and its child keeps its own")
    func memoryScore() throws {
        try withGroup { home, group in
            let bus = try bus(moving(in: group), home)
            let keeper = try home.startReady(settings: settings(bus), shell: group.shell(Self.service))
            func score(_ process: Int32) throws -> String {
                String(decoding: try Files.read("/proc/\(process)/oom_score_adj", limit: 16), as: UTF8.self)
            }
            let own = try score(CurrentProcess.id)
            let lowered = try score(keeper.pid)
            #expect(lowered == (Self.maySetMemoryScore ? "-900\n" : own))
            #expect(try score(try #require(keeper.childPID)) == own)
            try bus.close()
        }
    }
}
