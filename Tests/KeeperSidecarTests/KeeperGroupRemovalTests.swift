import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@testable import KeeperSidecar

/// The removal of control groups: at the end of a session, and by whoever comes after a killed keeper.
@Suite("Keeper: groups that are left", .enabled(if: Posix.isRoot, "only root can make control groups"))
struct KeeperGroupRemovalTests {
    @Test("the group that a killed keeper has left goes with the next start of its session, wherever that is")
    func removesFormerGroup() throws {
        try withControlGroup { home, group in
            try home.kill(try home.startReady(settings: ["PI_KEEPER_CGROUP": group.path]))
            #expect(group.names(except: "").count == 1)
            let next = try home.startReady(settings: ["PI_KEEPER_CGROUP": group.make("elsewhere")])
            #expect(group.names(except: "") == ["elsewhere"])
            try home.kill(next)
            #expect(try Files.names(inDirectory: "\(group.path)/elsewhere", startingWith: "uvkeeper-s-").count == 1)
            _ = try home.startReady(settings: ["PI_KEEPER_SCOPE": "off"])
            #expect(try Files.names(inDirectory: "\(group.path)/elsewhere", startingWith: "uvkeeper-").isEmpty)
        }
    }

    @Test(
        "of groups that no record names, the next start removes its session's empty ones that are older than a minute")
    func removesUnrecordedGroups() throws {
        try withControlGroup { home, group in
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
        try withControlGroup { home, group in
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

    @Test("a keeper whose former group is frozen at its end passes it, and leaves nothing", arguments: [true, false])
    func formerFrozen(isAbove: Bool) throws {
        try withControlGroup { home, group in
            let subtree = try group.make("subtree")
            let above = try group.make("above")
            let keeper = try home.startReady(
                settings: ["PI_KEEPER_CGROUP": subtree], shell: group.shell("above/\(TestControlGroup.service)"))
            #expect(TestControlGroup.name(of: keeper.pid)?.hasPrefix("\(group.name)/subtree/uvkeeper-s-") == true)
            let frozen = isAbove ? above : "\(above)/\(TestControlGroup.service)"
            try TestControlGroup.write("1", to: "\(frozen)/cgroup.freeze")
            defer { expectNoError { try TestControlGroup.write("0", to: "\(frozen)/cgroup.freeze") } }
            try home.channel(of: keeper).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(try Files.names(inDirectory: subtree, startingWith: "uvkeeper-").isEmpty)
        }
    }

    @Test("where the hierarchy is mounted elsewhere, a session's group goes with its end all the same")
    func mountedElsewhere() throws {
        try withControlGroup { home, group in
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
        try withControlGroup { home, group in
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

    @Test("a session that cannot start leaves no group; neither does one whose group cannot be made")
    func leavesNothing() throws {
        try withControlGroup { home, group in
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
}
