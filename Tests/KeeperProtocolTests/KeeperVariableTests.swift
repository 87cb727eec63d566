import KeeperProtocol
import Testing

@Suite("Keeper variable")
struct KeeperVariableTests {
    @Test("The names are those of the contract")
    func names() {
        #expect(KeeperVariable.command == "PI_KEEPER_PI_CMD")
        #expect(KeeperVariable.arguments == "PI_KEEPER_PI_ARGS")
        #expect(KeeperVariable.captureOutput == "PI_KEEPER_CAPTURE_PI_OUTPUT")
        #expect(KeeperVariable.logMaximumBytes == "PI_KEEPER_LOG_MAX_BYTES")
        #expect(KeeperVariable.logCheckInterval == "PI_KEEPER_LOG_CHECK_INTERVAL_MS")
        #expect(KeeperVariable.maximumLineLength == "PI_KEEPER_MAX_LINE_BYTES")
        #expect(KeeperVariable.started == "PI_KEEPER_STARTED")
        #expect(KeeperVariable.dashboardHome == "PI_DASHBOARD_HOME")
        #expect(KeeperVariable.spawned == "PI_DASHBOARD_SPAWNED")
        #expect(KeeperVariable.keeperPrefix == "PI_KEEPER_")
    }
}
