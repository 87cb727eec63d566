import Testing
import UVKeeper

@testable import uvkeeper_stress

/// What the harness lets pass, and what it does not.
@Suite struct JudgeTests {
    @Test("a written line that arrived is good, one that did not is lost") func lost() throws {
        try withRun { run in
            run.send(.written, received: 0)
            run.send(.written)
            #expect(run.verdict() == [.lost: 1])
        }
    }

    @Test("a killed keeper excuses no written line, even if its child was stopped before") func keeperKilled() throws {
        try withRun(lives: 2) { run in
            run.send(.written, at: 1_000)
            run.fault(.childStopped, 900, 1_100)
            run.fault(.keeperKilled, 900, 1_200, life: 0)
            #expect(run.verdict() == [.lost: 1])
        }
    }

    @Test(
        "a killed child takes along what was written last, whoever killed it",
        arguments: [FaultRecord.Kind.childKilled, .keeperToldToEnd]) func childKilled(kind: FaultRecord.Kind) throws
    {
        try withRun(lives: 2) { run in
            run.send(.written, at: 900, received: 0)
            run.send(.written, at: 1_000)
            run.send(.written, at: 1_300, received: 1)
            let fault = run.fault(kind, 1_050, 1_200, life: 0)
            #expect(run.verdict() == [:])
            #expect(fault.excused.lost == 1 && fault.excused.total == 1)
        }
    }

    @Test("but not what a later line of the same writer has passed") func passed() throws {
        try withRun(lives: 2) { run in
            run.send(.written, at: 1_000)
            run.send(.written, at: 1_010, received: 0)
            run.fault(.childKilled, 1_050, 1_200, life: 0)
            #expect(run.verdict() == [.lost: 1])
        }
    }

    @Test("nor what was written long before it, or after it", arguments: [1_000, 9_000]) func outside(time: UInt64)
        throws
    {
        try withRun(lives: 2) { run in
            run.send(.written, at: time)
            run.fault(.childKilled, 5_000, 5_100, life: 0)
            #expect(run.verdict() == [.lost: 1])
        }
    }

    @Test(
        "nor more than its pipe and its buffer hold", arguments: [FaultRecord.Kind.childKilled, .keeperToldToEnd])
    func pipe(kind: FaultRecord.Kind) throws {
        try withRun(lives: 2) { run in
            for _ in 0..<5 { run.send(.written, at: 1_000, byteCount: 40_000) }
            run.fault(kind, 1_050, 1_200, life: 0)
            // 64 KiB in the pipe, 64 KiB read, one line cut.
            #expect(run.verdict() == [.lost: 1])
        }
    }

    @Test("nor more because one line of another child was long") func longLine() throws {
        try withRun(lives: 2) { run in
            run.send(.written, at: 900, byteCount: 1 << 20, received: 0)
            run.send(.written, at: 1_000, byteCount: 1 << 20)
            for _ in 0..<4 { run.send(.written, at: 1_000, byteCount: 40_000) }
            run.fault(.childKilled, 1_050, 1_200, life: 0)
            // Of the longest it may have had a part, and of the others only what pipe and buffer hold.
            #expect(run.verdict() == [.lost: 1])
        }
    }

    @Test("a refused line must not arrive") func refusedArrived() throws {
        try withRun { run in
            run.send(.refused, at: 1_000, latency: 150, received: 0)
            run.fault(.socketRemoved, 900, 1_100)
            #expect(run.verdict() == [.refusedArrived: 1])
        }
    }

    @Test("more than the load's own limit is refused without a fault, and does not arrive") func overflow() throws {
        try withRun { run in
            run.send(.overflowed)
            #expect(run.verdict() == [:])
            run.send(.overflowed, received: 0)
            #expect(run.verdict() == [.refusedArrived: 1])
        }
    }

    @Test("a keeper that ends by itself is noticed, also if another fault could not be injected") func endedByItself()
        throws
    {
        try withRun(lives: 2) { run in
            #expect(run.verdict() == [.recovery: 1])
            let fault = run.fault(.keeperKilled, 900, 1_000, life: 0)
            #expect(run.verdict() == [:])
            fault.fail(StressError("there is no such process"))
            #expect(run.verdict() == [.recovery: 1])
        }
    }

    @Test("no signal ends a keeper but the one that a fault sent") func crashed() throws {
        try withRun { run in
            run.exits = [.signaled(.kill)]
            #expect(run.verdict() == [.recovery: 1])
            run.fault(.keeperKilled, 900, 1_000, life: 0)
            #expect(run.verdict() == [:])
            run.exits = [.signaled(.quit)]
            #expect(run.verdict() == [.recovery: 1])
        }
    }

    @Test("a keeper that is told to end says that it did", arguments: [FaultRecord.Kind.keeperToldToEnd, .childKilled])
    func toldToEnd(kind: FaultRecord.Kind) throws {
        try withRun { run in
            run.fault(kind, 900, 1_000, life: 0)
            run.wereToldToEnd = kind == .keeperToldToEnd
            for (exit, isRight) in [
                (ProcessExit.exited(code: 0), true), (.exited(code: 1), kind == .childKilled),
                (.signaled(.terminate), false), (.signaled(.kill), false),
            ] {
                run.exits = [exit]
                #expect(run.verdict() == (isRight ? [:] : [.recovery: 1]), "\(exit)")
            }
        }
    }

    @Test("a second completion is noticed") func doubled() throws {
        try withRun { run in
            run.send(.written, received: 0)
            run.ledger.complete(0, .written, latency: 1, time: 1)
            #expect(run.verdict() == [.doubledCompletion: 1])
        }
    }

    @Test("a line in two lives is duplicated, one in an earlier life than the line before it is late") func lives()
        throws
    {
        try withRun(lives: 2) { run in
            run.fault(.keeperKilled, 900, 950, life: 0)
            run.send(.written, received: 0)
            run.receive(0, in: 1)
            #expect(run.verdict() == [.duplicated: 1])
        }
        try withRun(lives: 2) { run in
            run.fault(.keeperKilled, 900, 950, life: 0)
            run.send(.written, received: 1)
            run.send(.written, received: 0)
            #expect(run.verdict() == [.reordered: 1])
        }
    }

    @Test("a child received nothing that was not sent") func phantom() throws {
        try withRun { run in
            run.receive(3, in: 0)
            #expect(run.verdict() == [.phantom: 1])
        }
    }

    @Test("no line is torn or late, of a killed server neither", arguments: [Ledger.Outcome.pending, .written])
    func fragments(outcome: Ledger.Outcome) throws {
        try withRun(isDriven: true) { run in
            run.send(outcome, at: 1_000, received: 0)
            run.fault(.serverKilled, 1_001, 1_100)
            run.send(.written, at: 1_200, received: 0)
            run.note(.torn, LineFormat.Kind.ordered)
            run.note(.reordered, Receipts.reorderedKind, 2)
            #expect(run.verdict() == [.torn: 1, .reordered: 1])
        }
    }

    @Test("a line that was handed over by the raw socket arrives while its keeper and its child live")
    func handedOver() throws {
        try withRun { run in
            run.sendBurst(.handedOver, at: 1_000, received: 0)
            #expect(run.verdict() == [:])
            run.sendBurst(.handedOver, at: 1_000)
            run.fault(.keeperStopped, 900, 1_100)
            run.fault(.serverKilled, 900, 1_100)
            #expect(run.verdict() == [.lost: 1])
        }
    }

    @Test(
        "it may be lost with them", arguments: [FaultRecord.Kind.keeperKilled, .keeperToldToEnd, .childKilled])
    func handedOverLost(kind: FaultRecord.Kind) throws {
        try withRun(lives: 2) { run in
            run.sendBurst(.handedOver, at: 1_000)
            let fault = run.fault(kind, 1_050, 1_200, life: 0)
            #expect(run.verdict() == [:])
            #expect(fault.excused.lost == 1)
            run.sendBurst(.handedOver, at: 1_201)
            #expect(run.verdict() == [.lost: 1], "after it")
        }
        try withRun(lives: 3) { run in
            run.sendBurst(.handedOver, at: 1_000)
            run.fault(.keeperKilled, 1_050, 1_060, life: 0)
            run.fault(kind, 2_050, 2_200, life: 1)
            #expect(run.verdict() == [:])
            run.sendBurst(.handedOver, at: 1_000, received: 0)
            run.sendBurst(.handedOver, at: 1_020, latency: 5, received: 0)
            #expect(run.verdict() == [.lost: 1], "one that began after it has passed it")
        }
    }

    @Test("an input ends within a line only if its keeper was killed") func tails() throws {
        try withRun { run in
            run.receipts[0][.tails] = 1
            #expect(run.verdict() == [.torn: 1])
            run.fault(.keeperKilled, 900, 1_000, life: 0)
            #expect(run.verdict() == [:])
        }
    }

    @Test("the end of an input is no excuse for a torn line") func tornBesideTail() throws {
        try withRun(isDriven: true) { run in
            run.send(.pending, at: 1_000)
            run.fault(.serverKilled, 1_001, 1_100)
            run.fault(.keeperKilled, 900, 1_000, life: 0)
            run.note(.tails, Receipts.tailKind)
            run.receipts[0][.torn] = 1
            #expect(run.verdict() == [.torn: 1])
        }
    }

    @Test("there are no more fragments of clients than clients that disconnected") func clientFragments() throws {
        try withRun { run in
            run.receipts[0][.fragments] = 2
            run.fault(.clientDisconnected, 900, 1_000)
            #expect(run.verdict() == [.torn: 1])
            run.fault(.clientDisconnected, 900, 1_000, session: 1)
            #expect(run.verdict() == [.torn: 1], "of another session")
            run.fault(.clientDisconnected, 950, 1_000)
            #expect(run.verdict() == [:])
        }
    }

    @Test("a client's last line without a newline must arrive if its connection took all of it") func lastLine() throws
    {
        try withRun(lives: 2) { run in
            let fault = run.fault(.clientDisconnected, 900, 1_000)
            run.fault(.clientDisconnected, 1_100, 1_200)
            run.fault(.keeperKilled, 1_900, 2_000, life: 0)
            #expect(run.verdict() == [:], "it may have gone away before")
            fault.completeIn = 0
            #expect(run.verdict() == [:], "its keeper was killed")
            fault.completeIn = 1
            #expect(run.verdict() == [.lost: 1])
            run.receipts[1][.fragments] = 1
            #expect(run.verdict() == [:])
        }
    }

    @Test("a child took nothing along that was written before a line it has read was begun") func pipeOrder() throws {
        try withRun(lives: 2) { run in
            run.send(.written, at: 1_000)
            run.sendBurst(.written, at: 1_010, latency: 5, received: 0)
            run.fault(.childKilled, 1_050, 1_200, life: 0)
            #expect(run.verdict() == [.lost: 1])
        }
        try withRun(lives: 2) { run in
            run.send(.written, at: 1_000)
            run.sendBurst(.written, at: 1_010, latency: 50, received: 0)
            run.fault(.childKilled, 1_050, 1_200, life: 0)
            #expect(run.verdict() == [:], "it was begun before, and was perhaps written first")
        }
    }
}
