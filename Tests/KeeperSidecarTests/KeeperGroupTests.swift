import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@testable import KeeperSidecar

/// Keepers with a control group delegated to them.
@Suite("Keeper: its control group", .enabled(if: Posix.isRoot, "only root can make control groups"))
struct KeeperGroupTests {
    /// CAP_SYS_RESOURCE, which root of a container may not have.
    private static var maySetMemoryScore: Bool {
        let status = (try? Files.read("/proc/self/status", limit: 4096)) ?? []
        let line = String(decoding: status, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        let digits = line?.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) } ?? 0
        return digits & (1 << 24) != 0
    }

    @Test("a group's counts tell whether a process was killed for its memory")
    func memoryEvents() {
        let none = "low 0\nhigh 12\nmax 3\noom 1\noom_kill 0\noom_group_kill 0\n"
        #expect(!SessionGroup.tellsOfKilled(Array(none.utf8)) && !SessionGroup.tellsOfKilled([]))
        #expect(SessionGroup.tellsOfKilled(Array(none.replacing("oom_kill 0", with: "oom_kill 2").utf8)))
        #expect(!SessionGroup.tellsOfKilled(Array("oom_kill\noom_kill_x 1\n".utf8)))
    }

    @Test("a limit of processes beyond the kernel's numbers is none, and the other limits hold")
    func manyTasks() {
        let limits = SessionLimits(memoryMaximum: 1 << 30, tasksMaximum: 4_194_305)
        #expect(SessionGroup.files(limits).map { "\($0)=\($1)" } == ["memory.max=1073741824", "pids.max=max"])
        let most = SessionLimits(tasksMaximum: 4_194_304)
        #expect(SessionGroup.files(most).map { "\($0)=\($1)" } == ["pids.max=4194304"])
    }

    private static let hasPython =
        ExecutableSearch.find("python3", path: ProcessEnvironment.current["PATH"]) != nil

    @Test(
        "a kill by systemd-oomd, which counts it in the group's attributes, is told as one for lack of memory",
        .enabled(if: hasPython, "python3 is missing"))
    func oomd() throws {
        try withControlGroup { home, group in
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

    @Test("the last step of a stop reaches every process of the child's groups at once, and removes them")
    func killsGroup() throws {
        try withControlGroup { home, group in
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

    @Test("a group that is frozen, from itself or from above, is not entered: the start does not hang")
    func frozen() throws {
        try withControlGroup { home, group in
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

    /// The root of a hierarchy of version 1; nil if the host has none.
    private static let version1 = ["systemd", "pids", "memory", "cpuset"].map { "/sys/fs/cgroup/\($0)" }
        .first { Files.exists("\($0)/cgroup.procs") && Files.exists("\($0)/tasks") }

    @Test(
        "a group of version 1 is refused and left as it was, and so is an ordinary directory, whatever files it has",
        arguments: [nil, version1].compactMap { $0 == nil ? "" : $0 })
    func refusesOthers(version1: String) throws {
        try withControlGroup { home, _ in
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

    @Test(
        "limits are set where the group has their controllers; where it has not, auto says so and require does not start"
    )
    func limits() throws {
        try withControlGroup { home, group in
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

    @Test("the keeper's score for the lack of memory is lowered, and its child keeps its own")
    func memoryScore() throws {
        try withControlGroup { home, group in
            let bus = try home.bus(group.moving)
            let keeper = try home.startReady(settings: bus.settings(), shell: group.shell(TestControlGroup.service))
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
