import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@Suite("Keeper: the ladder") struct LadderTests {
    /// A child whose tree no signal but SIGKILL ends: one process in a session of its own, whose parent has ended.
    private static let stubborn =
        "trap '' TERM INT HUP; (trap '' TERM HUP; setsid sh -c 'echo $$ >$HOME/far; while :; do sleep 1; done') & "
        + "echo $! >$HOME/near; echo $$ >$HOME/own; while :; do sleep 1; done"
    static let longTime = "600000"

    @Test("A plain SIGTERM kills every process of the session at once, whatever session or group it is in")
    func killsAll() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: Self.stubborn)
            let pids = try home.pids(["far", "near", "own"])
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(pids.allSatisfy(Processes.isGone))
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
            let far = try home.pids(["far"])
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(home.text() == "saved\n" && home.text("far-saved") == "far\n")
            #expect(far.allSatisfy(Processes.isGone))
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
            let pids = try home.pids(["far", "near", "own"])
            try keeper.send(.terminate)
            try home.until("the keeper knows") { keeper.log.contains("SIGTERM received") }
            let longer = StopLadder(endOfInput: .seconds(3600), terminate: .seconds(3600))
            try ProcessDescriptor(of: keeper.pid).send(.terminate, value: longer.signalValue)
            try home.until("the keeper knows") { keeper.log.contains("SIGTERM received again") }
            #expect(!pids.contains(where: Processes.isGone))
            try keeper.send(.terminate)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(pids.allSatisfy(Processes.isGone))
        }
    }

    @Test("A keeper that was itself stopped beyond the time of a step learns first that nobody is left")
    func stoppedItself() throws {
        try withKeeperHome { home in
            for round in 0... {
                let time = Duration.milliseconds(250 << round)
                let keeper = try home.startReady(
                    "s\(round)", child: "trap '' TERM; exec sleep 600",
                    settings: ["PI_KEEPER_STOP_TERM_MS": "\(250 << round)"])
                let child = try #require(keeper.childPID)
                let begin = SystemClock.monotonicTime
                try keeper.send(.terminate)
                try home.until("the keeper knows") { keeper.log.contains("SIGTERM received") }
                try keeper.send(.stop)
                try home.until("the keeper is stopped") { keeper.figures.isStopped ?? true }
                let stoppedAt = SystemClock.monotonicTime
                // Otherwise the step may have been over: once more, with a longer one.
                if stoppedAt < begin + time {
                    try Processes.send(.kill, to: child)
                    try home.until("the step's time is over") { SystemClock.monotonicTime > stoppedAt + time }
                    try keeper.send(.continue)
                    #expect(try home.runToEnd(keeper) == .exited(code: 0))
                    #expect(keeper.record?.exit?.by == .term && keeper.record?.exit?.signal == "KILL")
                    break
                }
                try keeper.send(.continue)
                _ = try home.runToEnd(keeper)
            }
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
            let far = try home.pids(["far"])[0]
            try home.until("it is ready") { keeper.log.contains("keeper ready: s") }
            try home.send("go\n", to: keeper)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.log.contains("pi left 1 process behind: \(far) (s"), "\(keeper.log)")
            #expect(Processes.isGone(far) == (sweep == "1"))
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
                let far = try home.pids(["far"])[0]
                if keeper.log.contains("keeper ready"), round < 100 {
                    try Processes.send(.kill, to: far)
                    try Files.unlink("\(home.base)/far")
                    continue
                }
                #expect(status == .exited(code: 1))
                #expect(Processes.isGone(far))
                #expect(keeper.log.contains("it ended with 0: does it put itself into the background?"))
                break
            }
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
