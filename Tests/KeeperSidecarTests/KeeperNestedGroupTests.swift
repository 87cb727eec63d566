import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@testable import KeeperSidecar

/// Sessions that are started inside others, in real control groups.
@Suite("Keeper: sessions inside sessions", .enabled(if: Posix.isRoot, "only root can make control groups"))
struct KeeperNestedGroupTests {
    @Test(
        "a session that is started inside another's scope gets its own, and the outer one's SIGKILL does not reach it")
    func nested() throws {
        try withControlGroup { home, group in
            let bus = try home.bus(group.moving)
            let outer = try home.startReady(
                child: """
                    export PI_DASHBOARD_HOME=$HOME PI_KEEPER_PI_CMD='["cat"]' PI_KEEPER_PI_ARGS='[]'
                    PI_KEEPER_SCOPE=auto \(BuiltProducts.sidecar) own </dev/null >/dev/null 2>&1 &
                    PI_KEEPER_SCOPE=off \(BuiltProducts.sidecar) shared </dev/null >/dev/null 2>&1 &
                    exec cat
                    """,
                settings: bus.settings(), shell: group.shell(TestControlGroup.service))
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

    @Test("a session inside another one is found among many processes, and deep in groups beside many others")
    func nestedDeep() throws {
        try withControlGroup { home, group in
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
        try withControlGroup { home, group in
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

    /// Makes a group that user 65534 may use, who gets the home, too.
    ///
    /// - Returns: its directory, and what `/bin/sh -c` runs to start a program as that user in a group below it.
    private func delegate(_ group: TestControlGroup, _ home: KeeperHome) throws -> (path: String, shell: String) {
        let path = try group.make("delegated")
        let start = try group.make("delegated/start")
        for directory in [group.path, start] { try Posix.setPermissions(0o755, of: directory) }
        for file in ["", "/cgroup.procs", "/cgroup.subtree_control"] { try Posix.setOwner(65534, of: path + file) }
        try Posix.setOwner(65534, of: "\(start)/cgroup.procs")
        try Posix.setOwner(65534, of: home.base)
        let shell =
            #"echo $$ >"\#(start)/cgroup.procs" && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@""#
        return (path, shell)
    }

    @Test(
        "another user's session inside a session, whose keeper cannot be recognised, is spared by SIGKILL for the whole group"
    )
    func nestedOfOtherUser() throws {
        try withControlGroup { home, group in
            let (subtree, shell) = try delegate(group, home)
            let outer = try home.startReady(
                child: "trap '' TERM; sleep 1000 & echo $! >$HOME/own; exec cat",
                settings: ["PI_KEEPER_CGROUP": subtree, "PI_KEEPER_SCOPE": "require"], shell: shell)
            let own = try #require(try home.pids(["own"]).first)
            let name = try #require(try Files.names(inDirectory: subtree, startingWith: "uvkeeper-s-").first)
            let child = "\(group.name)/delegated/\(name)/child"
            #expect(TestControlGroup.name(of: own) == child)
            // As by sudo: root's, in the same group.
            try withKeeperHome { rootHome in
                let inner = try rootHome.startReady(
                    "inner", settings: ["PI_KEEPER_SCOPE": "off"],
                    shell: #"echo $$ >"\#(subtree)/\#(name)/child/cgroup.procs" && exec "$@""#)
                let innerChild = try #require(inner.childPID)
                #expect(TestControlGroup.name(of: innerChild) == child)
                #expect(Processes.holdsWriteLock(inner.pid) == true && Processes.holdsWriteLock(innerChild) == false)
                try home.channel(of: outer).send("stop {\"eofMs\":0,\"termMs\":0}\n")
                #expect(try home.runToEnd(outer) == .exited(code: 0))
                #expect(Processes.liveness(of: own) == .gone && outer.record?.exit?.leftBehind == [])
                #expect(Processes.liveness(of: inner.pid) == .alive && Processes.liveness(of: innerChild) == .alive)
                try inner.send(.terminate)
                #expect(try rootHome.runToEnd(inner) == .exited(code: 0))
            }
        }
    }

    @Test("root that may not look at other users' processes spares their sessions by signals, too")
    func nestedOfOtherUserHidden() throws {
        try withKeeperHome { home in
            let other = "\(home.base)/other"
            try Files.makeDirectory(at: other)
            try Posix.setOwner(65534, of: other)
            try Posix.setPermissions(0o711, of: home.base)
            let outer = try home.startReady(
                child: """
                    exec </dev/null >/dev/null 2>&1
                    setpriv --reuid=65534 --regid=65534 --clear-groups env PI_DASHBOARD_HOME=\(other) \
                        PI_KEEPER_PI_CMD='["cat"]' PI_KEEPER_PI_ARGS='[]' \(BuiltProducts.sidecar) inner &
                    setpriv --reuid=65534 --regid=65534 --clear-groups sleep 1000 & echo $! >$HOME/sleep
                    exec sleep 1000
                    """,
                shell: #"exec setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace "$@""#)
            let socket = "\(other)/.pi/dashboard/sessions/inner.rpc.sock"
            try home.until("the inner one listens") {
                if case .accepting = SocketProbe(socket) { true } else { outer.exitStatus != nil }
            }
            let text = String(decoding: try Files.read("\(socket).pid", limit: 32), as: UTF8.self)
            let (inner, sleep) = (try #require(Int32(text)), try #require(try home.pids(["sleep"]).first))
            try home.channel(of: outer).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(outer) == .exited(code: 0))
            #expect(Processes.liveness(of: inner) == .alive && Processes.liveness(of: sleep) == .gone)
            try Processes.send(.terminate, to: inner)
            try home.until("the inner one has ended") { Processes.liveness(of: inner) == .gone }
        }
    }

    @Test("what a child has started with more rights, as sudo does, ends with the group")
    func startedByRoot() throws {
        try withControlGroup { home, group in
            let (subtree, shell) = try delegate(group, home)
            let keeper = try home.startReady(
                child: "trap '' TERM; exec cat",
                settings: ["PI_KEEPER_CGROUP": subtree, "PI_KEEPER_SCOPE": "require"], shell: shell)
            let name = try #require(try Files.names(inDirectory: subtree, startingWith: "uvkeeper-s-").first)
            let sleep = try ChildProcess(
                .init(
                    executable: "/bin/sh",
                    arguments: ["-c", "echo $$ >'\(subtree)/\(name)/child/cgroup.procs' && exec setsid sleep 1000"]),
                on: home.loop
            ) { _, _ in }
            try home.until("it runs") { ProcessDetails.name(of: sleep.pid) == "sleep" }
            try home.channel(of: keeper).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            try home.until("it has ended") { sleep.exitStatus != nil }
            #expect(sleep.exitStatus == .signaled(.kill))
        }
    }

    @Test("a child that hides its files, since its program cannot be read, ends by SIGKILL all the same")
    func hidingChild() throws {
        try withControlGroup { home, group in
            let (subtree, shell) = try delegate(group, home)
            let program = "\(home.base)/hiding"
            try Posix.write(try Files.read("/bin/sleep", limit: 1 << 24), to: program)
            try Posix.setPermissions(0o111, of: program)
            let keeper = try home.startReady(
                child: "trap '' TERM; \(program) 1000 & echo $! >$HOME/hidden; exec cat",
                settings: ["PI_KEEPER_CGROUP": subtree, "PI_KEEPER_SCOPE": "require"], shell: shell)
            let hidden = try #require(try home.pids(["hidden"]).first)
            try home.until("it runs that program") { ProcessDetails.name(of: hidden) == "hiding" }
            try home.channel(of: keeper).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(Processes.liveness(of: hidden) == .gone && keeper.record?.exit?.leftBehind == [])
        }
    }

    @Test("a child that moves its keeper into its own group does not have it killed with that")
    func keeperInChildGroup() throws {
        try withControlGroup { home, group in
            let keeper = try home.startReady(
                child: """
                    trap '' TERM; group=$(echo \(group.path)/uvkeeper-s-*)/child; mkdir $group/k
                    sleep 1000 & echo $! >$HOME/own; read line; echo $PPID >$group/k/cgroup.procs; echo >$HOME/up; exec cat
                    """,
                settings: ["PI_KEEPER_CGROUP": group.path])
            let own = try #require(try home.pids(["own"]).first)
            try home.send("\n", to: keeper)
            try home.until("the keeper is moved") { home.text("up") != nil }
            #expect(TestControlGroup.name(of: keeper.pid)?.hasSuffix("/child/k") == true)
            try home.channel(of: keeper).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.record?.exit?.by == .kill && Processes.liveness(of: own) == .gone)
            #expect(group.names(except: "") == [])
        }
    }

    @Test("with /proc of another pid namespace a session inside a session is spared: its keeper cannot be recognised")
    func nestedForeignProcesses() throws {
        guard try runProgram("unshare", ["--pid", "--fork", "true"]).status == .exited(code: 0) else { return }
        try withControlGroup { home, group in
            // Process 1 of the namespace stays.
            let outer = try home.start(
                child: """
                    export PI_DASHBOARD_HOME=$HOME PI_KEEPER_PI_ARGS='[]'
                    PI_KEEPER_PI_CMD='["cat"]' \(BuiltProducts.sidecar) inner </dev/null >/dev/null 2>&1 & exec cat
                    """,
                settings: ["PI_KEEPER_CGROUP": group.path],
                shell: #"exec unshare --pid --fork --kill-child /bin/sh -c '"$@" & exec sleep 1000' sh "$@""#)
            func isServed(_ session: String) -> Bool {
                if case .accepting = SocketProbe("\(home.directory)/\(session).rpc.sock") { true } else { false }
            }
            try home.until("both listen") { isServed("s") && isServed("inner") }
            let name = try #require(group.names(except: "").first)
            func processes() throws -> Int {
                try Files.read("\(group.path)/\(name)/child/cgroup.procs", limit: 4096).count {
                    $0 == UInt8(ascii: "\n")
                }
            }
            #expect(try processes() == 3)
            try home.channel(of: outer).send("stop {\"eofMs\":0,\"termMs\":0}\n")
            try home.until("outer has ended") { outer.record?.exit != nil && !isServed("s") }
            #expect(isServed("inner"), "\(outer.log)")
            #expect(try processes() == 2)
            #expect(
                outer.log.contains("pi left processes behind that live on; there is no /proc of this pid namespace"))
        }
    }

    @Test("a session that was started inside another one, which has ended, leaves no group of its own")
    func nestedSubtree() throws {
        try withControlGroup { home, group in
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
}
