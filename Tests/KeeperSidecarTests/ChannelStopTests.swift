import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@Suite("Channel: stop") struct ChannelStopTests {
    private static let kept = ["PI_KEEPER_OUTPUT_MAX_BYTES": "65536"]
    private static let line = String(repeating: "x", count: 1000)

    @Test("When the time for the end of input is over, lines that wait are lost before SIGTERM, which has its own time")
    func losesWaitingLines() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child:
                    "trap 'echo TERM >>$HOME/out' TERM; kill -STOP $$; trap '' TERM; "
                    + "while ! [ -e $HOME/go ]; do sleep 0.01; done; cat | wc -c >>$HOME/out; exit 5",
                settings: Self.kept)
            try home.until("the crash window is over") { keeper.log.contains("keeper ready") }
            let child = keeper.childPID!
            try home.until("the child stops") { ProcessFigures(of: child).isStopped ?? true }
            let client = try home.channel(of: keeper)
            for number in 1...100 { client.write(UInt64(number), Self.line) }
            let other = try home.channel(of: keeper)
            try home.until("all are taken") { try other.status().linesIn == 100 }
            other.send("stop {\"eofMs\":1,\"termMs\":600000}\n")
            #expect(try other.next() == .ok(.stop))
            // Only the rest of a line that is half in the pipe is left. Read before that, all lines would get into the pipe.
            try home.until("the other lines are lost") { try other.status().queuedBytes <= Self.line.utf8.count }
            try Posix.write("", to: "\(home.base)/go")
            let (acknowledged, error) = try #require(try client.errorAfterAcknowledgements())
            #expect(error.code == .inputClosed && error.sequence == acknowledged + 1)
            guard case .exit(let exit)? = try client.rest().last else { return #expect(Bool(false), "no exit") }
            // SIGCONT came with SIGTERM, which a process that was started meanwhile may get too.
            #expect(exit.by == .term && exit.code == 5 && exit.reason == .stopped)
            let words = try #require(home.text()).split { " \n".contains($0) }
            #expect(words.first == "TERM" && words.count == 2)
            let read = try #require(Int(words[1]))
            #expect(read >= Int(acknowledged) * 1001 && read < 100 * 1001)
        }
    }

    @Test("A line with newlines within is not torn by a stop: all of it arrives, or nothing", arguments: [0, 65_536])
    func tearsNoLine(before count: Int) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "trap '' TERM; kill -STOP $$; while ! [ -e $HOME/go ]; do sleep 0.01; done; exec cat >$HOME/out",
                settings: Self.kept)
            try home.until("the crash window is over") { keeper.log.contains("keeper ready") }
            let child = keeper.childPID!
            try home.until("the child stops") { ProcessFigures(of: child).isStopped ?? true }
            // A pipe's worth of lines of the other door is there before.
            let before = count == 0 ? "" : String(repeating: "r", count: count - 1) + "\n"
            try home.send(before, to: keeper)
            let client = try home.channel(of: keeper)
            try home.until("it is in the pipe") { try client.status().bytesIn == UInt64(count) }
            let line = String(repeating: "{}\n", count: 40_000) + "end"
            client.write(1, line)
            client.write(2, line)
            let other = try home.channel(of: keeper)
            try home.until("both are taken") { try other.status().queuedBytes > 2 * line.utf8.count - 70_000 }
            other.send("stop {\"eofMs\":1,\"termMs\":600000}\n")
            #expect(try other.next() == .ok(.stop))
            try home.until("lines are lost") { try other.status().queuedBytes <= line.utf8.count }
            try Posix.write("", to: "\(home.base)/go")
            let (acknowledged, error) = try #require(try client.errorAfterAcknowledgements())
            #expect(error.code == .inputClosed && error.sequence == acknowledged + 1)
            _ = try home.runToEnd(keeper)
            #expect(acknowledged == (count == 0 ? 1 : 0))
            #expect(home.text() == before + (count == 0 ? line + "\n" : ""))
        }
    }

    @Test(
        "During a stop a client may read, ask, label and signal, but not write; another stop brings it forward, never back"
    )
    func servesWhileStopping() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "trap 'echo TERM' TERM; trap 'echo USR1' USR1; echo up; while :; do sleep 0.01; done",
                settings: Self.kept)
            let reader = try home.channel(of: keeper)
            reader.send("read {\"from\":\"start\",\"follow\":true}\n")
            try home.until("the child is up") { reader.tiles[.out]?.text == "up\n" }
            let client = try home.channel(of: keeper)
            client.send("stop {\"eofMs\":600000,\"termMs\":600000}\n")
            #expect(try client.next() == .ok(.stop))
            #expect(try client.status().state == .stopping)
            #expect(!home.names.contains("s.rpc.sock") && home.names.contains("s.ctl.sock"))
            client.write(1, "late")
            #expect(try client.nextError()! == (.inputClosed, 1))
            client.send("label {\"a\":\"b\"}\nsignal USR1\n")
            #expect(try [client.next(), client.next()] == [.ok(.label), .ok(.signal)])
            try home.until("the signal arrives") { reader.tiles[.out]?.text == "up\nUSR1\n" }
            let late = try home.channel(of: keeper)
            #expect(try late.isAnswered())
            client.send("stop {\"eofMs\":0,\"termMs\":600000}\n")
            #expect(try client.next() == .ok(.stop))
            try home.until("SIGTERM arrives") { reader.tiles[.out]?.text == "up\nUSR1\nTERM\n" }
            client.send("stop {\"eofMs\":600000,\"termMs\":600000}\n")
            #expect(try client.next() == .ok(.stop))
            try keeper.send(.terminate)
            guard case .exit(let exit)? = try reader.rest().last else { return #expect(Bool(false), "no exit") }
            #expect(exit.by == .kill && exit.reason == .stopped)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.record?.labels == ["a": "b"])
        }
    }

    @Test("What a child leaves behind is named; with PI_KEEPER_SWEEP=1 it is ended too", arguments: [false, true])
    func sweeps(isSwept: Bool) throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "sh -c 'echo $$ >$HOME/rest; exec sleep 1000' >/dev/null 2>&1 & read line",
                settings: Self.kept.merging(isSwept ? ["PI_KEEPER_SWEEP": "1"] : [:]) { $1 })
            try home.until("both run") {
                home.text("rest")?.hasSuffix("\n") == true && keeper.log.contains("keeper ready")
            }
            let rest = Int32(try #require(home.text("rest")).dropLast())!
            try home.channel(of: keeper).send("eof\n")
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            let exit = try #require(keeper.record?.exit)
            #expect(exit.leftBehind == [rest] && exit.by == nil && exit.reason == .exited)
            #expect((Processes.liveness(of: rest) == .gone) == isSwept)
            #expect(keeper.log.contains("what pi left behind was ended") == isSwept)
            if !isSwept { try Processes.send(.kill, to: rest) }
        }
    }

    @Test("A client that does not read delays the end by a second at most, and one that has been told off not at all")
    func waitsBriefly() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "yes | head -c 4000000; exec cat >/dev/null",
                settings: [
                    "PI_KEEPER_OUTPUT_MAX_BYTES": "4194304"
                ])
            let control = try home.channel(of: keeper)
            try home.until("all was written") { try control.status().output?.out.end == 4_000_000 }
            let stuck = try home.channel(of: keeper)
            stuck.send("read {\"from\":\"start\",\"follow\":true}\n")
            stuck.pause()
            let quick = try home.channel(of: keeper)
            quick.send("read {\"from\":\"start\",\"follow\":true}\n")
            let told = try home.channel(of: keeper)
            told.send("\n")
            try home.until("it was told") { told.isEnded }
            control.send("stop {\"eofMs\":0,\"termMs\":0}\n")
            // While the end is told to those who read, the record is as it will stay.
            try home.until("the record has the end") { keeper.record?.exit != nil }
            stuck.send("label {\"a\":\"late\"}\n")
            guard case .exit(let exit)? = try quick.rest().last else { return #expect(Bool(false), "no exit") }
            #expect(quick.tiles[.out]?.bytes.count == 4_000_000 && quick.tiles[.out]?.isSeamless == true)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.record?.exit == exit && keeper.record?.labels == [:])
            #expect(!home.names.contains { $0.hasSuffix(".ctl.sock") || $0.hasSuffix(".reserve") })
        }
    }
}
