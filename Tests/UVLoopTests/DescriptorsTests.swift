import TestSupport
import Testing
import UVLoop

@Suite("Descriptors") struct DescriptorsTests {
    @Test("have a limit that is raised and never lowered") func raise() throws {
        #expect(Descriptors.limit.soft > 0)
        #expect(Descriptors.limit.soft <= Descriptors.limit.hard)
        try expectScenario("raise-limit")
    }

    @Test("are closed from a number on") func closeAll() throws {
        try expectScenario("close-all")
    }
}
