import KeeperProtocol
import Testing

@Suite struct ChannelHelloTests {
    @Test("a greeting is read as it was written, for random ones")
    func roundTrip() {
        var random = RandomValues(seed: 51)
        for _ in 0..<200 {
            let hello = random.hello()
            #expect(ChannelHello(hello.json) == hello)
        }
    }

    @Test("a greeting names the protocol's version and every verb")
    func verbs() {
        let hello = ChannelHello(version: "1", session: "s", epoch: "e", maximumLineLength: 1, output: nil)
        #expect(hello.protocolVersion == 1)
        #expect(hello.verbs == ["writer", "write", "read", "status", "eof", "signal", "stop", "label", "ping"])
        #expect(hello.json["output"] == .null)
    }

    @Test("a greeting without a version, a protocol, a session or an epoch is none")
    func needed() {
        let hello = ChannelHello(version: "1", session: "s", epoch: "e", maximumLineLength: 1, output: nil)
        for name in ["uvkeeper", "protocol", "session", "epoch"] {
            #expect(ChannelHello(.object((hello.json.members ?? []).filter { $0.name != name })) == nil)
        }
    }
}
