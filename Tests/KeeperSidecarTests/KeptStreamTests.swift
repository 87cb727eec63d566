import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@testable import KeeperSidecar

@Suite struct KeptStreamTests {
    @Test("As much is kept as the limit says, also if that takes more segments than there may be small ones")
    func keepsMuch() throws {
        try withTemporaryDirectory { directory in
            let limit = 260 << 20
            let stream = KeptStream(
                .out, of: "s", epoch: "0123456789abcdef", paths: KeeperPaths(directory: directory), limit: limit)
            let piece = [UInt8](repeating: 0x78, count: 1 << 20)
            for _ in 0..<264 { piece.withUnsafeBytes { stream.append($0) } }
            stream.close()
            #expect(stream.lostByteCount == 0)
            let kept = stream.range.end - stream.range.start
            #expect(kept >= UInt64(limit) && kept <= UInt64(limit + 2 << 20), "\(kept)")
        }
    }
}
