import Testing
import UVLoop

@testable import UVKeeper

@Suite("AbsolutePath") struct AbsolutePathTests {
    @Test("an absolute path is itself, also if an accent follows its slash") func absolute() throws {
        #expect(try AbsolutePath.of("/\u{301}a") == "/\u{301}a")
        #expect(try AbsolutePath.of("a") == CurrentProcess.workingDirectory() + "/a")
    }
}
