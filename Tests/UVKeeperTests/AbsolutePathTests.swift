import Testing
import UVLoop

@testable import KeeperProtocol
@testable import UVKeeper

@Suite("AbsolutePath") struct AbsolutePathTests {
    @Test("an absolute path is itself, also if an accent follows its slash") func absolute() throws {
        #expect(try AbsolutePath.of("/\u{301}a") == "/\u{301}a")
        #expect(try AbsolutePath.of("a") == LibUV.currentDirectory() + "/a")
    }

    @Test("both modules map the bytes that are no UTF-8 to the same scalars") func rawBytes() {
        #expect(ControlEscaping.rawBytes.lowerBound == RawText.scalars.lowerBound.value)
        #expect(ControlEscaping.rawBytes.upperBound == RawText.scalars.upperBound.value)
        for bytes: [UInt8] in [[0xE9, 0x41], [0xF0, 0x9F, 0x90, 0xB3, 0x80], [0xF4, 0x8F, 0xBF, 0xA9]] {
            #expect(ControlEscaping.byteCount(of: RawText.string(bytes)) == bytes.count)
        }
        #expect(ControlEscaping.escapingRawBytes(RawText.string([0x63, 0xE9, 0x0A])) == "c\\xE9\n")
        var printed = ""
        ControlEscaping.append(RawText.string([0x63, 0xE9, 0x0A]), to: &printed)
        #expect(printed == "c\\xE9\\n")
    }
}
