import Testing

@testable import KeeperProtocol

@Suite struct WriteHeaderTests {
    private func read(_ text: String, from start: Int = 0) -> (header: WriteHeader?, position: Int) {
        var position = start
        let header = Array(text.utf8).withUnsafeBytes { WriteHeader(in: $0, at: &position) }
        return (header, position)
    }

    @Test("a header is read where it stands, and the position moves behind its newline")
    func whole() {
        let first = read("write 1 7\n{\"a\":1}\n")
        #expect(first.header?.sequence == 1 && first.header?.length == 7)
        #expect(first.position == 10)
        let largest = read("x\nwrite 999999999999999 0\n", from: 2)
        #expect(largest.header?.sequence == 999_999_999_999_999 && largest.header?.length == 0)
        #expect(largest.position == 26)
    }

    @Test(
        "any other header, and one that has not come whole, is none, and nothing moves",
        arguments: [
            "", "w", "write", "write ", "write 1", "write 1 ", "write 1 7", "write 1 7 \n", "write 1 7\r\n",
            "write  1 7\n",
            "write 1  7\n", "write 01 7\n", "write 1 07\n", "write -1 7\n", "write 1\n", "write \n", "write 1 7x\n",
            "write 1000000000000000 7\n", "write 1 1000000000000000\n", "Write 1 7\n", "writer a\n", "writ 1 7\n",
            "ping\n",
            "\nwrite 1 7\n",
        ]
    )
    func none(text: String) {
        let found = read(text)
        #expect(found.header == nil)
        #expect(found.position == 0)
    }

    @Test("what is read is what the request says, for random ones cut anywhere")
    func sameAsRequest() throws {
        var random = RandomValues(seed: 11)
        for _ in 0..<2000 {
            let request = random.request()
            let bytes = Array(request.header.prefix(random.count(request.header.count * 2)))
            var position = 0
            let header = bytes.withUnsafeBytes { WriteHeader(in: $0, at: &position) }
            if case .write(let sequence, let length) = request, bytes.count == request.header.count {
                #expect(header?.sequence == sequence && header?.length == length && position == bytes.count)
            } else {
                #expect(header == nil && position == 0)
            }
        }
    }

    @Test("a header is written for numbers of every length")
    func written() {
        let numbers: [UInt64] = [0, 9, 10, 99, 100, 999_999_999_999_999, 9_999_999_999_999_999_999, .max]
        for number in numbers {
            var bytes = Array("before".utf8)
            WriteHeader(sequence: number, length: 7).append(to: &bytes)
            #expect(String(decoding: bytes, as: UTF8.self) == "beforewrite \(number) 7\n")
        }
    }
}
