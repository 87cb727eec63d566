import Testing

@testable import uvkeeper_stress

@Suite struct ChannelHeadersTests {
    private static let conversation = """
        hello {"uvkeeper":"1","protocol":1,"verbs":["read"],"session":"s","epoch":"00000000000000ff","maxLine":9,"output":null}
        reading {"out":{"from":5,"start":0,"end":9},"err":{"from":6,"start":0,"end":9}}
        out 5 4
        abc
        gap err 6 9
        err 9 2
        xyout 9 0
        error busy read no
        pong
        exit {"code":0,"reason":"exited","output":{"out":{"start":0,"end":9},"err":{"start":9,"end":11},"held":false}}

        """

    @Test("a conversation is understood in any pieces", arguments: [1, 2, 3, 7, 64, 10_000]) func pieces(size: Int) {
        var headers = ChannelHeaders()
        var messages: [ChannelHeaders.Message] = []
        var output: [[UInt8]] = [[], []]
        var ends = [5, 9]
        let bytes = Array(ChannelHeadersTests.conversation.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { piece in
                headers.take(piece, onMessage: { messages.append($0) }) { stream, offset, piece in
                    #expect(Int(offset) == ends[stream])
                    ends[stream] += piece.count
                    output[stream] += piece
                }
            }
        }
        #expect(
            messages == [
                .hello(epoch: 255), .reading(out: 5, err: 6), .output(stream: 0, offset: 5, count: 4),
                .gap(stream: 1, 6..<9), .output(stream: 1, offset: 9, count: 2),
                .output(stream: 0, offset: 9, count: 0),
                .error("busy read no"), .other, .exit(out: 9, err: 11),
            ])
        #expect(output == [Array("abc\n".utf8), Array("xy".utf8)])
    }

    @Test(
        "what no keeper says is noticed",
        arguments: [
            "hello {}", "reading {}", "out 5", "out 5 -1", "out 5 x", "gap out 5 5", "gap in 5 6", "gap out 6 5 7",
        ])
    func malformed(header: String) {
        var headers = ChannelHeaders()
        var messages: [ChannelHeaders.Message] = []
        Array((header + "\n").utf8).withUnsafeBytes {
            headers.take($0, onMessage: { messages.append($0) }, onOutput: { _, _, _ in })
        }
        #expect(messages == [.malformed(header)])
    }
}
