import Testing
import UVKeeper

@testable import uvkeeper_stress

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What is said of the end of a session.
@Suite struct JudgeEndsTests {
    /// That of a session whose keeper was told to end, and whose child had got ten lines.
    private static let stopped =
        #"{"code":null,"signal":"KILL","reason":"keeper-signalled","by":"kill","at":"","#
        + #""leftBehind":[],"inputUnread":0,"writers":[{"name":"m-1","last":10,"acknowledged":10},"#
        + #"{"name":"client","last":3,"acknowledged":3}],"stderrTail":""}"#

    @Test("a record that says what everybody was told, and what arrived, is right") func agreement() throws {
        #expect(try verdict { _ in } == [:])
    }

    @Test("a host and a client are told what the record says") func told() throws {
        #expect(try verdict { $0.told = $0.told.replacing("KILL", with: "TERM") } == [.record: 1])
        #expect(try verdict { $0.message = $0.message?.replacing("KILL", with: "TERM") } == [.record: 1])
        #expect(try verdict { $0.told = "null" } == [.record: 1])
    }

    @Test("only a keeper that was killed does not say how its session ended") func silent() throws {
        #expect(
            try verdict {
                ($0.exit, $0.told, $0.message) = ("null", "null", nil)
            } == [.record: 1])
        #expect(
            try verdict {
                ($0.exit, $0.told, $0.message, $0.fault) = ("null", "null", nil, .keeperKilled)
            } == [:])
        #expect(
            try verdict {
                // Another server has found it.
                $0.exit = Self.stopped.replacing("keeper-signalled", with: "keeper-lost")
                ($0.told, $0.message, $0.fault) = ("null", nil, .keeperKilled)
            } == [:])
    }

    @Test("it is the record of this life") func life() throws {
        #expect(try verdict { $0.keeper = 7 } == [.record: 1])
        #expect(try verdict { $0.hasEpochOfNext = true } == [.record: 1])
    }

    @Test(
        "it says why and how the child ended",
        arguments: [
            (#""reason":"exited","by":null"#, "KILL", FaultRecord.Kind.childKilled, true),
            (#""reason":"exited","by":null"#, "TERM", .childKilled, false),
            (#""reason":"exited","by":null"#, "KILL", .keeperToldToEnd, false),
            (#""reason":"stopped","by":"term""#, "TERM", .keeperToldToEnd, true),
            (#""reason":"stopped","by":"term""#, "KILL", .keeperToldToEnd, false),
            (#""reason":"stopped","by":"eof""#, "TERM", .keeperToldToEnd, false),
            (#""reason":"stopped","by":"term""#, "TERM", .keeperStoppedInEOF, true),
            (#""reason":"stopped","by":"kill""#, "KILL", .keeperStoppedInEOF, false),
            (#""reason":"stopped","by":"kill""#, "KILL", .keeperStoppedInTerm, true),
        ])
    func reason(words: String, signal: String, fault: FaultRecord.Kind, isRight: Bool) throws {
        #expect(
            try verdict {
                $0.fault = fault
                $0.exit = Self.stopped.replacing(#""reason":"keeper-signalled","by":"kill""#, with: words)
                    .replacing("KILL", with: signal)
                ($0.told, $0.message) = ($0.exit, $0.exit)
            } == (isRight ? [:] : [.record: 1]))
    }

    @Test("no process outlives a session that ended in order") func survivors() throws {
        #expect(try verdict { $0.survivors = [42] } == [.processLeft: 1])
        #expect(
            try verdict {
                $0.exit = Self.stopped.replacing(#""leftBehind":[]"#, with: #""leftBehind":[42,43]"#)
                ($0.told, $0.message) = ($0.exit, $0.exit)
            } == [.processLeft: 2])
    }

    @Test("it acknowledges what was reported written, and no more than what arrived") func writers() throws {
        #expect(try verdict { $0.written = 11 } == [.record: 1])
        #expect(try verdict { $0.arrived = 11 } == [.record: 1])
        #expect(try verdict { ($0.arrived, $0.handedOver) = (11, 1) } == [:])
        #expect(try verdict { ($0.written, $0.arrived) = (9, 9) } == [.record: 1])
        #expect(try verdict { $0.clientWritten = 4 } == [.record: 1])
        // Those that were in the pipe of a child that was killed.
        #expect(try verdict { ($0.written, $0.arrived, $0.fault) = (9, 9, .keeperToldToEnd) } == [:])
    }

    // MARK: By hand

    private struct Ending {
        var exit = JudgeEndsTests.stopped
        var told = JudgeEndsTests.stopped
        var message: String? = JudgeEndsTests.stopped
        var fault: FaultRecord.Kind?
        var keeper = 0
        var hasEpochOfNext = false
        var survivors: [Int32] = []
        var written = 10
        var handedOver = 0
        var arrived = 10
        var clientWritten = 3
    }

    private func verdict(_ change: (inout Ending) -> Void) throws -> [Violations.Kind: Int] {
        var counts: [Violations.Kind: Int] = [:]
        var ending = Ending()
        change(&ending)
        try withRun(lives: 2) { run in
            for _ in 0..<ending.arrived { run.send(.written, received: 0) }
            let record = { (exit: String, epoch: String) in
                #"{"session":"s0","epoch":"\#(epoch)","bootID":"","keeper":{"pid":\#(ending.keeper)},"cwd":"","#
                    + #""startedAt":"","labels":{},"exit":\#(exit)}"#
            }
            let text = record(ending.exit, "1")
            run.ends = [
                LifeEnd(
                    told: try decoded(ending.told), record: try decoded(text), recordText: text,
                    ownWritten: ending.written, ownHandedOver: ending.handedOver, serverWritten: 0,
                    survivors: ending.survivors),
                ending.hasEpochOfNext
                    ? LifeEnd(
                        told: nil, record: try decoded(record("null", "1").replacing("7", with: "0")), recordText: "",
                        ownWritten: 0, ownHandedOver: 0, serverWritten: 0, survivors: []) : nil,
            ]
            run.exitMessages = ending.message.map { [$0] } ?? []
            run.clientsOfFirst = ["client": ending.clientWritten]
            run.wereToldToEnd = true
            if let fault = ending.fault { run.fault(fault, 2_000, 2_100, life: 0) }
            if ending.hasEpochOfNext { run.fault(.keeperKilled, 3_000, 3_100, life: 1) }
            counts = run.verdict()
        }
        return counts
    }

    private func decoded<Value: Decodable>(_ text: String) throws -> Value? {
        try JSONDecoder().decode(Value?.self, from: Data(text.utf8))
    }
}
