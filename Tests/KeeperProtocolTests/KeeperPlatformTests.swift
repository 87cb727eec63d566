import KeeperProtocol
import Testing

@Suite("Keeper platform")
struct KeeperPlatformTests {
    @Test("The current platform is the one the tests run on")
    func current() {
        #if os(Windows)
        #expect(KeeperPlatform.current == .windows)
        #else
        #expect(KeeperPlatform.current == .posix)
        #endif
    }
}
