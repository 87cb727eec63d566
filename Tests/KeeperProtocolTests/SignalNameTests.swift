import KeeperProtocol
import Testing
import UVLoop

@Suite struct SignalNameTests {
    @Test(
        "nine signals have a name in the protocol",
        arguments: ["INT", "TERM", "HUP", "USR1", "USR2", "QUIT", "KILL", "CONT", "STOP"])
    func names(name: String) throws {
        let signal = try #require(SignalName.signal(name))
        #expect(SignalName.name(signal) == name && signal.description == "SIG\(name)")
        #expect(SignalName.list.contains(name))
    }

    @Test("others have none", arguments: ["", "int", "SIGINT", "SEGV", "9", "WINCH"])
    func others(name: String) {
        #expect(SignalName.signal(name) == nil)
        #expect(SignalName.name(.windowChange) == nil)
    }
}
