import KeeperProtocol
import Testing

@Suite struct SegmentNameTests {
    static let epoch = "0123456789abcdef"

    @Test(
        "a name is read as it was made, whatever the id",
        arguments: [
            "a", "work", "a.b", "a..", "x.0123456789abcdef", "x.0123456789abcdef.out",
            "x.0123456789abcdef.out.00000000000000000000",
            "out", "err.out.00000000000000000000", "1-._",
        ])
    func roundTrip(id: String) throws {
        for stream in ChildStream.allCases {
            for offset: UInt64 in [0, 1, 65536, 999_999_999_999_999] {
                let segment = SegmentName(try SessionID(id), epoch: Self.epoch, stream, offset: offset)
                #expect(segment.text.utf8.count == id.utf8.count + 42)
                #expect(SegmentName(segment.text) == segment)
            }
        }
    }

    @Test("an offset is no larger than the protocol's numbers")
    func largestOffset() {
        let offset = { (digits: String) in SegmentName("s.\(Self.epoch).out.\(digits)")?.offset }
        #expect(offset("00000999999999999999") == 999_999_999_999_999)
        #expect(offset("00001000000000000000") == nil && offset("18446744073709551615") == nil)
    }

    @Test("the longest id has a segment")
    func longestID() throws {
        let id = try SessionID(String(repeating: "x", count: SessionID.maximumLength))
        #expect(SegmentName(SegmentName(id, epoch: Self.epoch, .err, offset: 7).text)?.session == id)
        #expect(SegmentName("x\(id).\(Self.epoch).err.00000000000000000007") == nil)
    }

    @Test("the offset is the last part of the name")
    func text() {
        let segment = SegmentName("a.b", epoch: Self.epoch, .out, offset: 65536)
        #expect(segment.text == "a.b.0123456789abcdef.out.00000000000000065536")
    }

    @Test("a session whose id looks like another's segment keeps its own")
    func lookAlike() {
        let inner = "work.\(Self.epoch).out.00000000000000000000"
        let segment = SegmentName("\(inner).fedcba9876543210.err.00000000000000000001")
        #expect(segment?.session.rawValue == inner)
        #expect(segment?.epoch == "fedcba9876543210" && segment?.stream == .err && segment?.offset == 1)
        #expect(SegmentName(inner)?.session == "work")
    }

    @Test(
        "a name that is not exactly one of a segment is none",
        arguments: [
            "", ".", "work", "work.session.json", "work.ctl.sock", "work.log",
            ".0123456789abcdef.out.00000000000000000000", "0123456789abcdef.out.00000000000000000000",
            "..0123456789abcdef.out.00000000000000000000", "-a.0123456789abcdef.out.00000000000000000000",
            ".a.0123456789abcdef.out.00000000000000000000", "a/b.0123456789abcdef.out.00000000000000000000",
            "work.0123456789ABCDEF.out.00000000000000000000", "work.0123456789abcde.out.00000000000000000000",
            "work.0123456789abcdef0.out.00000000000000000000", "work.0123456789abcdeg.out.00000000000000000000",
            "work.0123456789abcdef.in.00000000000000000000", "work.0123456789abcdef.OUT.00000000000000000000",
            "work.0123456789abcdef.out.0000000000000000000", "work.0123456789abcdef.out.000000000000000000000",
            "work.0123456789abcdef.out.0000000000000000000x", "work.0123456789abcdef.out.+0000000000000000000",
            "work.0123456789abcdef.out.-0000000000000000001", "work.0123456789abcdef.out.18446744073709551616",
            "work.0123456789abcdef.out.99999999999999999999", "work.0123456789abcdef.out.00000000000000000000.tmp",
            "work.0123456789abcdef.out.00000000000000000000\n", " work.0123456789abcdef.out.00000000000000000000",
            "work.0123456789abcdef_out.00000000000000000000", "work.0123456789abcdef.out_00000000000000000000",
            "work_0123456789abcdef.out.00000000000000000000", "caf\u{E9}.0123456789abcdef.out.00000000000000000000",
            "work.0123456789abcdef.out.\u{661}0000000000000000000",
        ])
    func others(name: String) {
        #expect(SegmentName(name) == nil)
    }
}
