import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@Suite("Keeper: the ladder") struct LadderTests {
    /// A child whose tree no signal but SIGKILL ends: one process in a session of its own, whose parent has ended.
    private static let stubborn =
        "trap '' TERM INT HUP; (trap '' TERM HUP; setsid sh -c 'echo $$ >$HOME/far; while :; do sleep 1; done') & "
        + "echo $! >$HOME/near; echo $$ >$HOME/own; while :; do sleep 1; done"
    private static let longTime = "600000"

    private func pids(_ home: KeeperHome, _ names: [String]) throws -> [Int32] {
        try home.until("the processes run") { names.allSatisfy { home.text($0)?.hasSuffix("\n") == true } }
        return names.map { Int32(home.text($0)!.dropLast())! }
    }

    private func isGone(_ pid: Int32) -> Bool { Processes.liveness(of: pid) == .gone }

    @Test("A plain SIGTERM kills every process of the session at once, whatever session or group it is in")
    func killsAll() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.stubborn)
            let pids = try pids(home, ["far", "near", "own"])
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(pids.allSatisfy(isGone))
            #expect(home.names.isEmpty)
        }
    }

    @Test("With time for it, the child's input ends first, with every line that was taken before")
    func endsInputFirst() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "kill -STOP $$; trap 'echo TERM >>$HOME/out' TERM; cat >>$HOME/out; echo saved >>$HOME/out",
                settings: ["PI_KEEPER_STOP_EOF_MS": Self.longTime, "PI_KEEPER_STOP_TERM_MS": Self.longTime])
            let client = try KeeperClient(to: keeper.socket, on: home.loop)
            let bytes = [UInt8](repeating: 0x0A, count: 300_000)
            client.write(bytes)
            client.finish()
            try home.until("all is read") { client.hasSentAll }
            try home.untilAtRest(keeper)
            let child = keeper.childPID!
            try keeper.send(.terminate)
            try home.until("the keeper knows") { keeper.log.contains("SIGTERM received") }
            try home.until("the socket is gone") { !home.names.contains("s.rpc.sock") }
            try home.until("the child has stopped") { ProcessFigures(of: child).isStopped ?? true }
            try Processes.send(.continue, to: child)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.bytes() == bytes + Array("saved\n".utf8))
            #expect(keeper.log.contains("pi exited code=0 signal=null"))
            #expect(client.isEnded && client.error == nil)
        }
    }

    @Test("Then comes SIGTERM, for all of its processes, which have time to save")
    func terminates() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "trap 'sleep 0.1; echo saved >$HOME/out; exit 4' TERM; "
                    + "setsid sh -c \"trap 'echo far >\\$HOME/far-saved; exit' TERM; echo \\$\\$ >\\$HOME/far; while :; do sleep 0.01; done\" & "
                    + "while :; do sleep 0.01; done",
                settings: ["PI_KEEPER_STOP_EOF_MS": "1", "PI_KEEPER_STOP_TERM_MS": Self.longTime])
            let far = try pids(home, ["far"])
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.text() == "saved\n" && home.text("far-saved") == "far\n")
            #expect(far.allSatisfy(isGone))
            #expect(keeper.log.contains("pi exited code=4 signal=null"))
        }
    }

    @Test("The steps come with the signal, whatever the keeper was started with")
    func takesStepsFromSignal() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "cat >/dev/null; echo saved >$HOME/out")
            let ladder = StopLadder(endOfInput: .seconds(600), terminate: .zero)
            try ProcessDescriptor(of: keeper.pid).send(.terminate, value: ladder.signalValue)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.text() == "saved\n")
        }
    }

    @Test("A second SIGTERM brings the steps forward, and a later ladder delays nothing")
    func hastens() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: Self.stubborn,
                settings: ["PI_KEEPER_STOP_EOF_MS": Self.longTime, "PI_KEEPER_STOP_TERM_MS": Self.longTime])
            let pids = try pids(home, ["far", "near", "own"])
            try keeper.send(.terminate)
            try home.until("the keeper knows") { keeper.log.contains("SIGTERM received") }
            let longer = StopLadder(endOfInput: .seconds(3600), terminate: .seconds(3600))
            try ProcessDescriptor(of: keeper.pid).send(.terminate, value: longer.signalValue)
            try home.until("the keeper knows") { keeper.log.contains("SIGTERM received again") }
            #expect(!pids.contains(where: isGone))
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(pids.allSatisfy(isGone))
        }
    }

    @Test("A step ends as soon as nobody is left, and not before a grandchild has ended")
    func waitsForGrandchildren() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "(setsid sh -c 'while ! [ -e $HOME/go ]; do sleep 0.01; done; echo done >$HOME/out') & exec cat",
                settings: ["PI_KEEPER_STOP_EOF_MS": Self.longTime])
            try keeper.send(.terminate)
            try home.until("the child has ended") { keeper.log.contains("pi exited code=0") }
            try home.untilAtRest(keeper)
            #expect(keeper.exitStatus == nil && home.text() == nil)
            try Posix.write("", to: "\(home.base)/go")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.text() == "done\n")
        }
    }

    @Test(
        "What a child leaves behind is told in the log and lives on; with the sweep it is ended", arguments: [nil, "1"])
    func tellsWhatIsLeft(sweep: String?) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "setsid sh -c 'echo $$ >$HOME/far; exec sleep 600' & read line; exit 0",
                settings: ["PI_KEEPER_SWEEP": sweep])
            let far = try pids(home, ["far"])[0]
            try home.until("it is ready") { keeper.log.contains("keeper ready: s") }
            try home.send("go\n", to: keeper)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.log.contains("pi left 1 process behind: \(far) (s"), "\(keeper.log)")
            #expect(isGone(far) == (sweep == "1"))
            if sweep == nil { try Processes.send(.kill, to: far) }
        }
    }

    @Test("A child that puts itself into the background within its crash window has not started, and leaves nothing")
    func endsEarlyDaemon() throws {
        try withKeeperHome { home in
            // On a slow machine it may take longer than the crash window, and is another case then: once more.
            for round in 0... {
                let keeper = try home.start(
                    "s\(round)",
                    child: "setsid sh -c 'echo $$ >$HOME/far; exec sleep 600' & while ! [ -s $HOME/far ]; do :; done")
                let status = try home.runToEnd(keeper)
                let far = try pids(home, ["far"])[0]
                if keeper.log.contains("keeper ready"), round < 100 {
                    try Processes.send(.kill, to: far)
                    try Files.unlink("\(home.base)/far")
                    continue
                }
                #expect(status == .exited(code: 1))
                #expect(isGone(far))
                #expect(keeper.log.contains("it ended with 0: does it put itself into the background?"))
                break
            }
        }
    }

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
            #expect(!isGone(pid))
            let client = try KeeperClient(to: inner, on: home.loop)
            client.write("line\n")
            client.finish()
            try home.until("the line arrives") { home.text("inner-out") == "line\n" }
            try Processes.send(.terminate, to: pid)
            try home.until("it ends") { isGone(pid) }
        }
    }

    @Test("An orphan of the child is collected when it ends, so no zombie stays")
    func collectsOrphans() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "(sh -c 'while ! [ -e $HOME/go ]; do sleep 0.01; done' & echo $! >$HOME/far); exec cat")
            let far = try pids(home, ["far"])[0]
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
            let pids = try pids(home, ["1", "2", "3", "4", "5"])
            try home.until("it is ready") { keeper.log.contains("keeper ready") }
            let clients = try (0..<80).map { _ in try KeeperClient(to: keeper.socket, on: home.loop) }
            try home.untilAtRest(keeper)
            clients[0].write("end\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.log.contains("pi left 5 processes behind: "), "\(keeper.log)")
            #expect(pids.allSatisfy(isGone))
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
            #expect(isGone(pid))
            #expect(home.names.isEmpty, "\(keeper.log)")
            #expect(!keeper.log.contains("although killed"))
        }
    }

    @Test("SIGTERM reaches every process of a session that has more of them than the keeper may have descriptors")
    func terminatesMany() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "i=0; while [ $i -lt 60 ]; do "
                    + "sh -c \"trap 'echo x >>\\$HOME/saved; exit' TERM; echo x >>\\$HOME/ready; while :; do sleep 0.05; done\" & "
                    + "i=$((i + 1)); done; trap '' TERM; wait; wait; while :; do sleep 0.05; done",
                settings: ["PI_KEEPER_STOP_TERM_MS": Self.longTime], shell: #"ulimit -n 40; exec "$@""#)
            try home.until("all run") { home.text("ready")?.count == 120 }
            try keeper.send(.terminate)
            try home.until("all have saved") { home.text("saved")?.count == 120 }
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
        }
    }

    @Test("A line that is half written at the end of the input's step is written whole")
    func finishesLine() throws {
        try withKeeperHome { home in
            // SIGCONT comes with SIGTERM.
            let keeper = try home.startReady(
                child: "trap '' TERM; kill -STOP $$; exec cat >>$HOME/out",
                settings: ["PI_KEEPER_STOP_EOF_MS": "1", "PI_KEEPER_STOP_TERM_MS": "100000"])
            let line = String(repeating: "l", count: 150_000) + "\n"
            let client = try KeeperClient(to: keeper.socket, on: home.loop)
            client.write(line)
            client.finish()
            try home.until("it is sent") { client.hasSentAll }
            try home.untilAtRest(keeper)
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.text() == line)
            try home.until("its connection ends") { client.isEnded }
            #expect(client.error == nil)
        }
    }

    @Test("A process whose main thread has ended is one of the session, and is ended")
    func endsWithoutMainThread() throws {
        try withKeeperHome { home in
            let helper = BuiltProducts.executable("uvloop-test-helper")
            let keeper = try home.startReady(
                child: "mkfifo $HOME/in; setsid \(helper) end-main-thread <>$HOME/in & echo $! >$HOME/far; exec cat")
            let far = try pids(home, ["far"])[0]
            try home.until("its main thread has ended") {
                String(decoding: try Files.read("/proc/\(far)/stat", limit: 4096), as: UTF8.self).contains(") Z ")
            }
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(isGone(far))
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
                child: "cat; exec sh $HOME/chain 300", settings: ["PI_KEEPER_STOP_EOF_MS": Self.longTime])
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.text() == "done\n")
        }
    }

    @Test("A process that is stopped is continued with SIGTERM, and has its time to save") func continuesStopped()
        throws
    {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "trap 'echo saved >$HOME/out; exit 4' TERM; kill -STOP $$; while :; do sleep 0.01; done",
                settings: ["PI_KEEPER_STOP_EOF_MS": "1", "PI_KEEPER_STOP_TERM_MS": Self.longTime])
            let child = try #require(keeper.childPID)
            try home.until("the child has stopped") { ProcessFigures(of: child).isStopped ?? true }
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.text() == "saved\n")
            #expect(keeper.log.contains("pi exited code=4 signal=null"))
        }
    }
}
