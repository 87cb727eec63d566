import Testing
import UVKeeper

@testable import UVKeeperAsync

@Suite struct KeepersOptionsTests {
    @Test("a manager gets the settings as they were given") func passedOn() throws {
        var options = Keepers.Options(sessionsDirectory: "/d", sidecar: ["/s"])
        options.writer = try WriterName("w")
        options.maximumWaitingLines = 1
        options.maximumWaitingBytes = 2
        options.maximumLineLength = 3
        options.busyPoll = .microseconds(4)
        let passed = KeeperManager.Options(options)
        #expect(passed.sessionsDirectory == "/d" && passed.sidecar == ["/s"] && passed.writer == options.writer)
        #expect(passed.maximumWaitingLines == 1 && passed.maximumWaitingBytes == 2 && passed.maximumLineLength == 3)
        #expect(passed.busyPoll == .microseconds(4))
    }
}
