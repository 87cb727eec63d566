import TestSupport
import Testing

@testable import uvkeeper_stress

@Suite struct JournalTests {
    @Test("what was given out is there for the next server") func kept() throws {
        try withTemporaryDirectory { directory in
            let journal = try Journal("\(directory)/j")
            #expect(journal.epoch == nil && journal.count == 0)
            journal.begin("00ab00000000000c")
            for sequence in 0..<3 { journal.note(Journal.Line(writer: 5, sequence: sequence)) }
            journal.cut(to: 2)
            let other = try Journal("\(directory)/j")
            #expect(other.epoch == "00ab00000000000c" && other.count == 2)
            #expect(other[2] == Journal.Line(writer: 5, sequence: 1))
            other.begin(nil)
            #expect(journal.epoch == nil && journal.count == 0)
        }
    }
}
