import KeeperProtocol
import Testing

@Suite struct ChannelErrorTests {
    @Test("four codes close the connection, the others do not")
    func closing() {
        let closing = ChannelError.Code.allCases.filter(\.closes).map(\.rawValue)
        #expect(Set(closing) == ["grammar", "too-long", "sequence", "writer-replaced"])
        let others = ChannelError.Code.allCases.filter { !$0.closes }.map(\.rawValue)
        #expect(
            Set(others) == [
                "unknown-verb", "epoch", "writer-forgotten", "input-closed", "no-output", "argument", "not-permitted",
                "busy",
            ])
    }

    @Test("an error says its code and why")
    func description() {
        #expect(ChannelError(.tooLong, .write, sequence: 4, "it is too long").description == "too-long: it is too long")
    }
}
