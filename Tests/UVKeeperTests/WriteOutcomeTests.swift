import Testing
import UVKeeper

@Suite struct WriteOutcomeTests {
    @Test("an outcome reads as a word and its reason")
    func description() {
        #expect("\(WriteOutcome.written)" == "written")
        #expect("\(WriteOutcome.refused(.closed))" == "refused: the manager was closed")
        #expect("\(WriteOutcome.unknown(.closed))" == "unknown: the manager was closed")
    }
}
