import Testing

@testable import uvkeeper_stress

/// What each fault explains, and what it does not.
@Suite struct ExcusesTests {
    @Test(
        "a refusal needs a fault that can cause it",
        arguments: FaultRecord.Kind.allCases)
    func refusal(kind: FaultRecord.Kind) throws {
        try withRun { run in
            run.send(.refused, at: 2_000, latency: 50)
            run.send(.refused, at: 2_000, latency: 800)
            let fault = run.fault(kind, 900, 2_100)
            let harmless: [FaultRecord.Kind] = [
                .pidFileGarbled, .staleFiles, .clientDisconnected, .unfinishedLine, .serverKilled, .spawnWave,
                .discoveryRace, .readerPaused, .readerFrozen, .readerCut, .diskFull, .childFloods,
            ]
            // Three attempts take their time.
            let slow: [FaultRecord.Kind] = [
                .keeperExhausted, .keeperStopped, .childStopped, .slowReader, .backlogOverflow, .machineStalled,
            ]
            let count = harmless.contains(kind) ? 0 : slow.contains(kind) ? 1 : 2
            #expect(run.verdict() == (count == 2 ? [:] : [.unexplainedRefusal: 2 - count]))
            #expect(fault.excused.refused == count)
        }
    }

    @Test("a line of the manager's is refused when it has been tried again", arguments: FaultRecord.Kind.allCases)
    func refusalWithAttempts(kind: FaultRecord.Kind) throws {
        for (outcome, isBurst) in [(Ledger.Outcome.refused, false), (.refused, true), (.unknown, false)] {
            try withRun { run in
                run.hasAttempts = true
                // Pauses of 50 and 150 ms, less what a loop may be late.
                for latency: UInt64 in [99, 100] {
                    if isBurst {
                        run.sendBurst(outcome, at: 2_000, latency: latency)
                    } else {
                        run.send(outcome, at: 2_000, latency: latency)
                    }
                }
                let fault = run.fault(kind, 900, 2_100)
                _ = run.verdict()
                let quick: [FaultRecord.Kind] = [.keeperKilled, .socketRemoved, .descriptorsExhausted]
                // Nothing is tried again where a file is no socket, and a session that ends in order says so.
                let atOnce: [FaultRecord.Kind] = [.socketReplaced, .keeperToldToEnd, .childKilled]
                guard outcome == .refused else { return #expect(fault.excused.refused == 0) }
                let count = atOnce.contains(kind) ? 2 : quick.contains(kind) ? (isBurst ? 2 : 1) : 0
                #expect(fault.excused.refused == count)
            }
        }
    }

    @Test("where nothing was under way, a killed keeper explains nothing afterwards") func quiet() throws {
        for (aftermath, count) in [(nil as UInt64?, 0), (0, 1)] {
            try withRun { run in
                run.sendBurst(.refused, at: 1_003)
                run.fault(.keeperKilled, 1_000, 1_000, life: 0, aftermath: aftermath)
                #expect(run.verdict()[.unexplainedRefusal, default: 0] == count)
            }
        }
    }

    @Test("a failed start needs a fault that can cause it", arguments: FaultRecord.Kind.allCases)
    func start(kind: FaultRecord.Kind) throws {
        try withRun { run in
            run.failStart(at: 1_000, until: 1_010)
            run.failStart(at: 1_000, until: 1_010, survivor: 123, saying: "its log ends: at 1234")
            run.failStart(at: 1_000, until: 1_010, survivor: 123, saying: "child 123 still runs")
            run.failStart(at: 1_000, until: 1_950)
            let fault = run.fault(kind, 900, 2_000)
            let count =
                switch kind {
                case .descriptorsExhausted: 4
                // By its child, which lives on; by a lock that somebody could not give back.
                case .keeperKilled, .machineStalled: 1
                default: 0
                }
            #expect(run.verdict() == [.failedStart: 4 - count].filter { $0.value > 0 })
            #expect(fault.excused.starts == count)
        }
    }

    @Test("nor does a fault explain a start before it, after it, or in another session") func startOutside() throws {
        try withRun { run in
            run.failStart(at: 800, until: 899)
            run.failStart(at: 1_101, until: 1_110)
            run.fault(.descriptorsExhausted, 900, 1_100)
            run.fault(.descriptorsExhausted, 700, 1_800, session: 1)
            #expect(run.verdict() == [.failedStart: 2])
        }
    }

    @Test("a keeper that ended in order has left nothing") func leftBehind() throws {
        try withRun { run in
            run.leftBehind = ["life 0, ended in order: s0.rpc.sock"]
            #expect(run.verdict() == [.fileLeft: 1])
        }
    }

    @Test("an unknown outcome needs a keeper that could not confirm", arguments: FaultRecord.Kind.allCases)
    func unknown(kind: FaultRecord.Kind) throws {
        try withRun { run in
            run.send(.unknown, at: 1_000, latency: 50, received: 0)
            run.send(.unknown, at: 1_000, latency: 350)
            let fault = run.fault(kind, 900, 1_100)
            let guilty: [FaultRecord.Kind] = [
                .keeperKilled, .keeperToldToEnd, .childKilled, .slowReader, .backlogOverflow, .machineStalled,
            ]
            // Nothing connects late to those.
            let frozen: [FaultRecord.Kind] = [.keeperStopped, .childStopped, .keeperExhausted]
            let count = guilty.contains(kind) ? 2 : frozen.contains(kind) ? 1 : 0
            #expect(run.verdict() == (count == 2 ? [:] : [.unexplainedUnknown: 2 - count]))
            #expect(fault.excused.unknown == count)
        }
    }

    @Test("a fault explains nothing before it, long after it, or in another session") func window() throws {
        try withRun { run in
            run.send(.refused, at: 800)
            run.send(.refused, at: 1_700, latency: 50)
            run.fault(.keeperStopped, 900, 1_100)
            run.fault(.keeperStopped, 700, 1_800, session: 1)
            #expect(run.verdict() == [.unexplainedRefusal: 2])
        }
        try withRun { run in
            run.send(.refused, at: 1_700, latency: 900)
            run.fault(.keeperStopped, 900, 1_100)
            #expect(run.verdict() == [:], "it was under way")
        }
    }

    @Test("a line without an outcome is missing one, unless its server was killed after it was sent") func pending()
        throws
    {
        try withRun(isDriven: true) { run in
            run.send(.pending, at: 1_000)
            #expect(run.verdict() == [.missingCompletion: 1])
            run.fault(.serverKilled, 900, 950)
            #expect(run.verdict() == [.missingCompletion: 1], "it was killed before")
            let fault = run.fault(.serverKilled, 1_100, 1_150)
            #expect(run.verdict() == [:])
            #expect(fault.excused.pending == 1)
        }
    }

    @Test("a killed server goes on until it has ended", arguments: [1_110, 1_120, 1_121]) func lastLines(time: UInt64)
        throws
    {
        try withRun(isDriven: true) { run in
            run.send(.pending, at: time)
            run.fault(.serverKilled, 1_100, 1_150).serverEnd = 1_120_000
            #expect(run.verdict() == (time <= 1_120 ? [:] : [.missingCompletion: 1]))
        }
        try withRun(isDriven: true) { run in
            run.send(.pending, at: 1_050)
            run.send(.unknown, at: time, latency: 0)
            run.fault(.slowReader, 900, 1_200)
            run.fault(.serverKilled, 1_100, 1_150).serverEnd = 1_120_000
            // With an outcome it is that server's own if it began by then, so the one before it was forgotten.
            #expect(run.verdict() == (time <= 1_120 ? [.missingCompletion: 1] : [:]))
        }
    }

    @Test("another server's end is no excuse for a line of the harness") func ownPending() throws {
        try withRun { run in
            run.send(.pending, at: 1_000, received: 0)
            run.note(.torn, LineFormat.Kind.ordered)
            run.fault(.serverKilled, 1_100, 1_150)
            #expect(run.verdict() == [.missingCompletion: 1, .torn: 1])
        }
    }

    @Test(
        "a killed server had forgotten a line if it had completed a later one of the same writer",
        arguments: [Ledger.Outcome.written, .refused, .unknown, .overflowed])
    func forgotten(outcome: Ledger.Outcome) throws {
        try withRun(isDriven: true) { run in
            run.send(.pending, at: 1_000)
            run.send(outcome, at: 1_050, received: outcome == .written ? 0 : nil)
            run.send(.pending, at: 1_060)
            run.fault(.serverKilled, 1_100, 1_150)
            run.fault(.socketRemoved, 900, 1_100)
            run.fault(.slowReader, 900, 1_100)
            // The next server's.
            run.send(.written, at: 1_300, received: 0)
            #expect(run.verdict() == (outcome == .overflowed ? [:] : [.missingCompletion: 1]))
        }
    }

    @Test("clients of a full backlog wait and get through") func burst() throws {
        for kind in [FaultRecord.Kind.backlogOverflow, .keeperExhausted, .keeperStopped] {
            try withRun { run in
                run.sendBurst(.refused, at: 1_000, latency: 950)
                run.sendBurst(.unknown, at: 1_000, latency: 950)
                run.fault(kind, 900, 1_100)
                let isExplained = kind == .keeperStopped
                #expect(run.verdict() == (isExplained ? [:] : [.unexplainedRefusal: 1, .unexplainedUnknown: 1]))
            }
        }
    }

    @Test("a keeper out of descriptors refuses no line that has attempts left", arguments: [799, 800])
    func exhausted(latency: UInt64) throws {
        // Two attempts of 350 ms and pauses of 50 and 150, less what a loop may be late.
        try withRun { run in
            run.send(.refused, at: 2_000, latency: latency)
            let fault = run.fault(.keeperExhausted, 1_000, 2_100)
            #expect(run.verdict() == (latency < 800 ? [.unexplainedRefusal: 1] : [:]))
            #expect(fault.excused.refused == (latency < 800 ? 0 : 1))
        }
    }

    @Test("nor is a line unknown before an attempt is over; what it joined late is after it", arguments: [249, 250])
    func exhaustedUnknown(latency: UInt64) throws {
        try withRun { run in
            run.send(.unknown, at: 2_000, latency: latency)
            run.fault(.keeperExhausted, 1_000, 2_100)
            #expect(run.verdict() == (latency < 250 ? [.unexplainedUnknown: 1] : [:]))
        }
        try withRun { run in
            run.send(.unknown, at: 2_101, latency: latency)
            run.send(.unknown, at: 2_101 + 1_500 + latency, latency: latency)
            run.fault(.keeperExhausted, 1_000, 2_100)
            #expect(run.verdict() == [.unexplainedUnknown: 1], "it accepts again within a second")
        }
    }

    @Test("nor does it lose, tear or end anything") func exhaustedKeeps() throws {
        try withRun(lives: 2) { run in
            run.send(.written, at: 1_500)
            run.note(.tails, Receipts.tailKind)
            run.fault(.keeperExhausted, 1_000, 2_000, life: 0)
            #expect(run.verdict() == [.lost: 1, .torn: 1, .recovery: 1])
        }
    }

    @Test("where nothing piles up, nothing is worked off afterwards", arguments: FaultRecord.Kind.allCases)
    func aftermath(kind: FaultRecord.Kind) throws {
        try withRun { run in
            run.send(.refused, at: 2_300, latency: 900)
            run.fault(kind, 900, 1_100)
            let lasting: [FaultRecord.Kind] = [
                .keeperKilled, .keeperToldToEnd, .keeperStopped, .childKilled, .childStopped, .slowReader,
                .backlogOverflow, .keeperExhausted, .machineStalled,
            ]
            #expect(run.verdict() == (lasting.contains(kind) ? [:] : [.unexplainedRefusal: 1]))
        }
    }

    @Test("a server that waited for a processor is no excuse for another", arguments: [false, true])
    func stalled(isDriven: Bool) throws {
        for scope in [FaultRecord.Scope.own, .driven, .everybody] {
            try withRun(isDriven: isDriven) { run in
                run.send(.unknown, at: 1_000)
                run.fault(.machineStalled, 900, 1_100, scope: scope)
                let isOther = scope == (isDriven ? .own : .driven)
                #expect(run.verdict() == (isOther ? [.unexplainedUnknown: 1] : [:]))
            }
        }
    }
}
