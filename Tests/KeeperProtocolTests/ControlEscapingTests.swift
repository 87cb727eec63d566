import Testing
import UVLoop

@testable import KeeperProtocol

@Suite("ControlEscaping") struct ControlEscapingTests {
    @Test("bytes that are no UTF-8 are shown by their numbers, and controls as before") func escapes() {
        var printed = ""
        ControlEscaping.append("\u{1b}" + RawText.string([0x63, 0xE9, 0x0A]) + "é\\", to: &printed)
        #expect(printed == "\\u{1b}c\\xE9\\né\\")
        var turned = ""
        ControlEscaping.append("a\u{202E}b\u{2066}c\u{2069}", to: &turned)
        #expect(turned == "a\\u{202e}b\\u{2066}c\\u{2069}")
        #expect(ControlEscaping.escapingRawBytes(RawText.string([0x63, 0xFF, 0x0A])) == "c\\xFF\n")
        #expect(ControlEscaping.escapingRawBytes("plain\u{1b}\u{10FF7F}") == "plain\u{1b}\u{10FF7F}")
    }

    @Test("a socket's path is counted in the bytes that its text stands for") func length() throws {
        let session: SessionID = "a"
        let plain = KeeperPaths(directory: "/x", platform: .posix).socketPathBytesLeft(for: session)
        let raw = KeeperPaths(directory: "/" + RawText.string([0xE9]), platform: .posix)
        #expect(raw.socketPathBytesLeft(for: session) == plain)
    }
}
