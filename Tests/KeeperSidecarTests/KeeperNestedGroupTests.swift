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
