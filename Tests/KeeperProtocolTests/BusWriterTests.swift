import Testing

@testable import KeeperProtocol

@Suite("The writer of D-Bus") struct BusWriterTests {
    @Test("each value is at its boundary, and the bytes between are zero")
    func boundaries() {
        var writer = BusWriter()
        writer.byte(7)
        writer.uint32(0x0102_0304)
        writer.uint64(5)
        writer.string("ab")
        writer.byte(9)
        writer.boolean(true)
        writer.signature("as")
        #expect(
            writer.bytes == [7, 0, 0, 0, 4, 3, 2, 1, 5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0x61, 0x62, 0, 9]
                + [1, 0, 0, 0, 2, 0x61, 0x73, 0])
    }

    @Test("an array's length counts neither itself nor what goes before its first element")
    func arrays() {
        var writer = BusWriter()
        writer.array(elementsAt: 8) { $0.uint64(1) }
        writer.array(elementsAt: 8) { _ in }
        #expect(writer.bytes == [8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0] + [0, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test("the reader gives back what was written, in this order and no other")
    func roundTrip() {
        var writer = BusWriter()
        writer.byte(1)
        writer.string("é\n")
        writer.signature("a{sv}")
        writer.uint32(.max)
        var reader = BusReader(writer.bytes[...])
        #expect(reader.byte() == 1 && reader.string() == "é\n" && reader.signature() == "a{sv}")
        #expect(!reader.isAtEnd && reader.uint32() == .max && reader.isAtEnd && reader.byte() == nil)
        for count in 0..<writer.bytes.count {
            var reader = BusReader(writer.bytes[..<count])
            let all = reader.byte() != nil && reader.string() != nil && reader.signature() != nil
            #expect(!all || reader.uint32() == nil, "\(count) bytes of \(writer.bytes.count)")
        }
    }
}
