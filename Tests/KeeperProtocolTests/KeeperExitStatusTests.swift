import KeeperProtocol
import Testing

@Suite("Keeper exit status")
struct KeeperExitStatusTests {
    @Test("The numbers are those of the contract")
    func numbers() {
        #expect(KeeperExitStatus.ended.rawValue == 0)
        #expect(KeeperExitStatus.childFailed.rawValue == 1)
        #expect(KeeperExitStatus.badConfiguration.rawValue == 2)
        #expect(KeeperExitStatus.sessionTaken.rawValue == 3)
        #expect(KeeperExitStatus.allCases.count == 4)
    }
}
