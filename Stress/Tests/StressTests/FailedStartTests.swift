import TestSupport
import Testing

@testable import uvkeeper_stress

@Suite struct FailedStartTests {
    @Test("what one process writes down, another reads") func file() throws {
        try withTemporaryDirectory { directory in
            #expect(try FailedStart.all(in: "\(directory)/f") == [])
            let first = FailedStart(begin: 5, end: 70, survivor: 77, life: nil, text: "the disk is  full")
            let second = FailedStart(begin: 1_000_000, end: 2_000_000, survivor: nil, life: 3, text: "no socket")
            try first.append(to: "\(directory)/f")
            try second.append(to: "\(directory)/f")
            #expect(try FailedStart.all(in: "\(directory)/f") == [first, second])
        }
    }

    @Test("a text of several lines stays one failed start") func lines() throws {
        try withTemporaryDirectory { directory in
            let failure = FailedStart(begin: 5, end: 70, survivor: nil, life: 0, text: "its log ends:\n  no")
            try failure.append(to: "\(directory)/f")
            #expect(try FailedStart.all(in: "\(directory)/f").map(\.text) == ["its log ends:   no"])
        }
    }
}
