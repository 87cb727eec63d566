import TestSupport
import Testing

@Suite("A loop below SwiftNIO") struct NIOHostTests {
    @Test("runs rounds for what comes, and none while nothing does") func rounds() throws {
        try expectFewRounds("host-nio")
    }
}
