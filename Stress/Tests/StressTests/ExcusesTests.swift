import Testing

@testable import uvkeeper_stress

/// What each fault explains, and what it does not.
@Suite struct ExcusesTests {
    /// A session ends in order, and says so.
    private static let endingInOrder: [FaultRecord.Kind] = [
        .keeperToldToEnd, .childKilled, .keeperStoppedInEOF, .keeperStoppedInTerm, .keeperStoppedInKill,
    ]
    private static let ending = endingInOrder + [.keeperKilled]
    /// These cost a line its attempts, or its time.
    private static let slow: [FaultRecord.Kind] = [
        .keeperExhausted, .keeperStopped, .childStopped, .slowReader, .backlogOverflow, .machineStalled,
    ]
    /// To these no connection can be made.
    private static let absent: [FaultRecord.Kind] = [.socketRemoved, .socketReplaced, .descriptorsExhausted]

    @Test("a line with attempts is refused when it has been tried again", arguments: FaultRecord.Kind.allCases)
    func refusal(kind: FaultRecord.Kind) throws {
        // A session that ends in order says so; pauses take 50 and 150 ms, attempts 350 ms, less what a loop may be late.
        let least: UInt64? =
            switch kind {
            case _ where ExcusesTests.endingInOrder.contains(kind): 0
            case .keeperKilled: 100
            case _ where ExcusesTests.absent.contains(kind): 100
            case _ where ExcusesTests.slow.contains(kind): 800
            default: nil
            }
        try expect(kind, .refused, .attempts, least: least)
    }

    @Test("a line with attempts is unknown when its time is over", arguments: FaultRecord.Kind.allCases)
    func unknown(kind: FaultRecord.Kind) throws {
        let least: UInt64? =
            ExcusesTests.ending.contains(kind) ? 0 : ExcusesTests.slow.contains(kind) ? 1150 : nil
        try expect(kind, .unknown, .attempts, least: least)
    }

    @Test(
        "a line that waits as long as its session lives is refused or unknown when that has ended",
        arguments: FaultRecord.Kind.allCases)
    func patient(kind: FaultRecord.Kind) throws {
        let least: UInt64? = ExcusesTests.ending.contains(kind) ? 0 : nil
        try expect(kind, .refused, .untilSessionEnds, least: least)
        try expect(kind, .unknown, .untilSessionEnds, least: least)
    }

    @Test("a client of the raw socket is turned away where no keeper is", arguments: FaultRecord.Kind.allCases)
    func raw(kind: FaultRecord.Kind) throws {
        let isEnding = ExcusesTests.ending.contains(kind)
        try expect(kind, .refused, .raw, least: isEnding || ExcusesTests.absent.contains(kind) ? 0 : nil)
        try expect(kind, .unknown, .raw, least: isEnding ? 0 : nil)
    }

    /// - Parameter least: how long a line has waited at least that the fault explains, in milliseconds; nil: it explains none.
    private func expect(
        _ kind: FaultRecord.Kind, _ outcome: Ledger.Outcome, _ patience: Patience, least: UInt64?,
    ) throws {
        for latency in [0, 99, 100, 799, 800, 1149, 1150] as [UInt64] {
            try withRun { run in
                run.patience = patience
                if patience == .raw {
                    run.sendBurst(outcome, at: 3_000, latency: latency)
                } else {
                    run.send(outcome, at: 3_000, latency: latency)
                }
                let fault = run.fault(kind, 900, 3_100)
                let isExplained = least.map { latency >= $0 } ?? false
                let broken: Violations.Kind = outcome == .refused ? .unexplainedRefusal : .unexplainedUnknown
                #expect(run.verdict() == (isExplained ? [:] : [broken: 1]), "\(outcome) after \(latency) ms")
                #expect(fault.excused.total == (isExplained ? 1 : 0))
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

    @Test("a line without an outcome is missing one, unless the last server was killed after it was sent")
    func pending()
        throws
    {
        try withRun(isDriven: true) { run in
            run.send(.pending, at: 1_000)
            #expect(run.verdict() == [.missingCompletion: 1])
            run.fault(.serverKilled, 900, 950)
            #expect(run.verdict() == [.missingCompletion: 1], "it was killed before")
            let fault = run.fault(.serverKilled, 1_100, 1_150)
            fault.isFollowed = true
            #expect(run.verdict() == [.missingCompletion: 1], "its successor could have told")
            fault.isFollowed = false
            #expect(run.verdict() == [:])
            #expect(fault.excused.pending == 1)
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

    @Test("a keeper without descriptors does not lose, tear or end anything") func exhaustedKeeps() throws {
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
                .backlogOverflow, .keeperExhausted, .machineStalled, .keeperStoppedInEOF, .keeperStoppedInTerm,
                .keeperStoppedInKill,
            ]
            #expect(run.verdict() == (lasting.contains(kind) ? [:] : [.unexplainedRefusal: 1]))
        }
    }

    @Test("a server that waited for a processor is no excuse for another", arguments: [false, true])
    func stalled(isDriven: Bool) throws {
        for scope in [FaultRecord.Scope.own, .driven, .everybody] {
            try withRun(isDriven: isDriven) { run in
                run.send(.unknown, at: 2_500, latency: 1_500)
                run.fault(.machineStalled, 900, 2_600, scope: scope)
                // One with a journal waits.
                let isOther = isDriven || scope == .driven
                #expect(run.verdict() == (isOther ? [.unexplainedUnknown: 1] : [:]))
            }
        }
    }
}
