import Testing
import UVLoop

@Suite("A socket path") struct SocketPathTests {
    @Test("may have 107 bytes on Linux and not one more") func lengths() throws {
        #expect(SocketPath.maximumLength == 107)
        #expect(throws: Never.self) { try SocketPath.check(String(repeating: "a", count: 107)) }
        #expect(throws: UVError.nameTooLong) { try SocketPath.check(String(repeating: "a", count: 108)) }
    }

    @Test("is measured in bytes, not characters") func bytes() {
        // The first path has 53 times two bytes and one more, the second 54 times two.
        #expect(throws: Never.self) { try SocketPath.check(String(repeating: "é", count: 53) + "a") }
        #expect(throws: UVError.nameTooLong) { try SocketPath.check(String(repeating: "é", count: 54)) }
    }

    @Test("is not empty and has no zero byte", arguments: ["", "\0", "a\0b", "/tmp/x\0"]) func invalid(path: String) {
        #expect(throws: UVError.invalidArgument) { try SocketPath.check(path) }
    }
}
