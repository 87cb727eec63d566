import KeeperProtocol
import Testing

@Suite struct CommandFileTests {
    static let commands: [[[UInt8]]] = [
        [Array("cat".utf8)], [Array("sh".utf8), [], [0xE9, 0xFF], Array("a\nb".utf8)],
        [Array("x".utf8), [UInt8](repeating: 65, count: 5_000)],
    ]

    @Test("a command is read as it was written", arguments: commands)
    func roundTrip(command: [[UInt8]]) {
        #expect(CommandFile.decode(CommandFile.encode(command)) == command)
    }

    @Test("an end that is missing, and a command without a name, are no command")
    func malformed() {
        for bytes in ["", "cat", "cat\0-n", "\0", "\0x\0"] {
            #expect(CommandFile.decode(Array(bytes.utf8)) == nil, "\(bytes)")
        }
    }
}
