import KeeperProtocol
import TestSupport
import Testing
import UVLoop

/// Which processes are a session's, and so are ended with it.
@Suite("Keeper: the processes of a session") struct LadderProcessesTests {
    @Test(
        "A session that was started from another one is a session of its own and outlives it",
        arguments: ["setsid ", ""])
    func leavesInnerSession(prefix: String) throws {
        try withKeeperHome { home in
            let outer = try home.startReady(
                "outer",
                child:
                    "unset PI_DASHBOARD_SPAWNED; PI_KEEPER_PI_CMD='[\"/bin/sh\",\"-c\",\"exec cat >>$HOME/inner-out\"]' "
                    + "PI_KEEPER_PI_ARGS='[]' \(prefix)\(BuiltProducts.sidecar) inner >/dev/null 2>&1 </dev/null & exec cat"
            )
            let inner = "\(home.directory)/inner.rpc.sock"
            try home.until("the inner session is there") {
                if case .accepting = SocketProbe(inner) { true } else { false }
            }
            let pid = Int32(String(decoding: try Files.read("\(inner).pid", limit: 32), as: UTF8.self))!
            try outer.send(.terminate)
            #expect(try home.runToEnd(outer) == .exited(code: 0))
            #expect(!Processes.isGone(pid))
            let client = try KeeperClient(to: inner, on: home.loop)
            client.write("line\n")
            client.finish()
            try home.until("the line arrives") { home.text("inner-out") == "line\n" }
            try Processes.send(.terminate, to: pid)
            try home.until("it ends") { Processes.isGone(pid) }
        }
    }

    @Test("An orphan of the child is collected when it ends, so no zombie stays")
    func collectsOrphans() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "(sh -c 'while ! [ -e $HOME/go ]; do sleep 0.01; done' & echo $! >$HOME/far); exec cat")
            let far = try home.pids(["far"])[0]
            try home.until("it is adopted") { ProcessDetails(of: far)?.parent == keeper.pid }
            try Posix.write("", to: "\(home.base)/go")
            try home.until("nothing is left of it") { ProcessDetails(of: far) == nil }
            #expect(keeper.exitStatus == nil)
        }
    }

    @Test(
        "With every descriptor taken by a client, what a child leaves behind is still found and ended",
        arguments: [24, 40])
    func findsWithoutDescriptors(limit: Int) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "for i in 1 2 3 4 5; do setsid sh -c 'echo $$ >$HOME/'$i'; exec sleep 1000' & done; read line",
                settings: ["PI_KEEPER_SWEEP": "1"], shell: "ulimit -n \(limit); " + #"exec "$@""#)
            let pids = try home.pids(["1", "2", "3", "4", "5"])
            try home.until("it is ready") { keeper.log.contains("keeper ready") }
            let clients = try (0..<80).map { _ in try KeeperClient(to: keeper.socket, on: home.loop) }
            try home.untilAtRest(keeper)
            clients[0].write("end\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.log.contains("pi left 5 processes behind: "), "\(keeper.log)")
            #expect(pids.allSatisfy(Processes.isGone))
        }
    }

    @Test(
        "A keeper started from within lives on, also when clients have every descriptor to look by",
        arguments: [22, 24, 40])
    func sparesKeepersWithin(limit: Int) throws {
        try withKeeperHome { home in
            let inner =
                "PI_KEEPER_PI_CMD='[\"cat\"]' PI_KEEPER_PI_ARGS='[]' \(BuiltProducts.sidecar) inner </dev/null >/dev/null 2>&1 & exec cat"
            let keeper = try home.startReady(child: inner, shell: "ulimit -n \(limit); " + #"exec "$@""#)
            let file = "\(home.directory)/inner.rpc.sock.pid"
            let pid = { (try? Files.read(file, limit: 32)).flatMap { Int32(String(decoding: $0, as: UTF8.self)) } }
            try home.until("the inner one is ready") { pid() != nil && home.names.contains("inner.rpc.sock") }
            let clients = try (0..<limit).map { _ in try KeeperClient(to: keeper.socket, on: home.loop) }
            try home.untilAtRest(keeper)
            let within = try #require(pid())
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(Processes.liveness(of: within) == .alive)
            try Processes.send(.terminate, to: within)
            try home.until("it ends in order") {
                !home.names.contains { $0.hasPrefix("inner") && !$0.hasSuffix("log") }
            }
            for client in clients { client.close() }
        }
    }

    @Test(
        "A keeper that may open nothing more ends its child, and in order",
        arguments: ["cat", "kill -STOP $$; exec cat"])
    func endsWithoutDescriptors(child: String) throws {
        try withKeeperHome { home in
            // A sanitizer looks for leaks with descriptors of its own.
            let keeper = try home.startReady(child: child, settings: ["ASAN_OPTIONS": "detect_leaks=0"])
            let pid = try #require(keeper.childPID)
            let limit = try runProgram("prlimit", ["--pid", "\(keeper.pid)", "--nofile=3:"])
            try #require(limit.status == .exited(code: 0), "\(limit)")
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(Processes.isGone(pid))
            #expect(home.names.isEmpty, "\(keeper.log)")
            #expect(!keeper.log.contains("although killed"))
            #expect(keeper.record?.exit?.reason == .keeperSignalled, "the last record needs no descriptor either")
        }
    }

    @Test("SIGTERM reaches every process of a session that has more of them than the keeper may have descriptors")
    func terminatesMany() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "i=0; while [ $i -lt 60 ]; do "
                    + "sh -c \"trap 'echo x >>\\$HOME/saved; exit' TERM; echo x >>\\$HOME/ready; while :; do sleep 0.05; done\" & "
                    + "i=$((i + 1)); done; trap '' TERM; wait; wait; while :; do sleep 0.05; done",
                settings: ["PI_KEEPER_STOP_TERM_MS": LadderTests.longTime], shell: #"ulimit -n 40; exec "$@""#)
            try home.until("all run") { home.text("ready")?.count == 120 }
            try keeper.send(.terminate)
            try home.until("all have saved") { home.text("saved")?.count == 120 }
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
        }
    }

    @Test("A process whose main thread has ended is one of the session, and is ended")
    func endsWithoutMainThread() throws {
        try withKeeperHome { home in
            let helper = BuiltProducts.executable("uvloop-test-helper")
            let keeper = try home.startReady(
                child: "mkfifo $HOME/in; setsid \(helper) end-main-thread <>$HOME/in & echo $! >$HOME/far; exec cat")
            let far = try home.pids(["far"])[0]
            try home.until("its main thread has ended") {
                String(decoding: try Files.read("/proc/\(far)/stat", limit: 4096), as: UTF8.self).contains(") Z ")
            }
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(Processes.isGone(far))
        }
    }

    @Test("Where /proc is another pid namespace's, nobody is found by it, and the log says so")
    func takesNoForeignProc() throws {
        guard try runProgram("unshare", ["--pid", "--fork", "true"]).status == .exited(code: 0) else { return }
        try withKeeperHome { home in
            let keeper = try home.start(
                child: "sleep 600 & read line", shell: #"exec unshare --pid --fork --kill-child "$@""#)
            try home.until("it is ready") { keeper.log.contains("keeper ready: s") }
            try home.send("go\n", to: keeper)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(
                keeper.log.contains("pi left processes behind that live on; there is no /proc of this pid namespace"))
        }
    }

    @Test("A step does not end while a process lives whose parents end all the time")
    func waitsForChain() throws {
        try withKeeperHome { home in
            // Each generation starts the next one and ends: whoever is listed may be gone when it is looked at.
            try Posix.write(
                "[ $1 = 0 ] && { echo done >$HOME/out; exit; }; setsid sh $HOME/chain $(($1 - 1)) & exit",
                to: "\(home.base)/chain")
            let keeper = try home.startReady(
                child: "cat; exec sh $HOME/chain 300", settings: ["PI_KEEPER_STOP_EOF_MS": LadderTests.longTime])
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.text() == "done\n")
        }
    }
}
