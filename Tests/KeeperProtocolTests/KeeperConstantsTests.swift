import KeeperProtocol
import Testing

@Suite("Keeper constants")
struct KeeperConstantsTests {
    @Test("The numbers are those of the contract")
    func numbers() {
        #expect(KeeperConstants.crashWindow == .milliseconds(300))
        #expect(KeeperConstants.writeAttempts == 3)
        #expect(KeeperConstants.writeAttemptTimeout == .milliseconds(350))
        #expect(KeeperConstants.writeBackoffs == [.milliseconds(50), .milliseconds(150)])
        #expect(KeeperConstants.writeBackoffs.count == KeeperConstants.writeAttempts - 1)
        #expect(KeeperConstants.defaultLogMaximumBytes == 128 * 1024 * 1024)
        #expect(KeeperConstants.defaultLogCheckInterval == .seconds(5))
        #expect(KeeperConstants.defaultMaximumLineLength == 16 * 1024 * 1024)
        #expect(KeeperConstants.backlog == 511)
    }
}
