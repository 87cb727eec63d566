import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@Suite struct SessionRecordTests {
    private static func json(_ change: (inout [JSONValue.Member]) -> Void = { _ in }) -> [UInt8] {
        var random = RandomValues(seed: 1)
        var members = random.record().json.members ?? []
        change(&members)
        return JSONValue.object(members).encoded
    }

    private static func replacing(_ name: String, by value: JSONValue?) -> [UInt8] {
        json { members in
            members.removeAll { $0.name == name }
            if let value { members.append(.init(name, value)) }
        }
    }

    @Test("a record is read as it was written, for random ones")
    func roundTrip() {
        var random = RandomValues(seed: 7)
        for _ in 0..<500 {
            let record = random.record()
            #expect(record.fileBytes.last == UInt8(ascii: "\n"))
            #expect(SessionRecord(record.fileBytes) == record)
        }
    }

    @Test("a record that is cut anywhere does not parse")
    func half() {
        var random = RandomValues(seed: 8)
        let bytes = random.record().json.encoded
        for count in 0..<bytes.count { #expect(SessionRecord(Array(bytes[..<count])) == nil) }
        #expect(SessionRecord(bytes) != nil)
        #expect(SessionRecord(bytes + bytes) == nil)
    }

    @Test("a record of another version, or without what names a session, does not parse")
    func missing() {
        let values: [(String, [JSONValue?])] = [
            ("v", [nil, 0, 2, "1"]), ("session", [nil, 5]), ("startedAt", [nil, 5]),
            ("epoch", [nil, 5, "", "0123456789abcde", "0123456789ABCDEF", "0123456789abcdef0"]),
            ("keeper", [nil, 5, [:], ["pid": 0], ["pid": "1"], ["pid": 2_147_483_648]]),
        ]
        for (name, values) in values {
            for value in values {
                let text = "\(name): \(value.map { String(decoding: $0.encoded, as: UTF8.self) } ?? "none")"
                #expect(SessionRecord(Self.replacing(name, by: value)) == nil, "\(text)")
            }
        }
        for text in ["", "null", "[]", "{}", "5", "\"v\""] { #expect(SessionRecord(Array(text.utf8)) == nil) }
    }

    @Test("the rest may be missing, or be of another kind")
    func lenient() throws {
        for name in ["bootID", "child", "command", "cwd", "cut", "labels", "exit"] {
            for value in [nil, .some(.null), 5, [5], ["a": 5]] as [JSONValue?] {
                let record = try #require(SessionRecord(Self.replacing(name, by: value)))
                #expect(SessionRecord(record.fileBytes) == record)
            }
        }
        #expect(SessionRecord(Self.replacing("new", by: [["a": []]])) != nil)
        #expect(SessionRecord(Self.replacing("cut", by: false))?.cut == nil)
        #expect(SessionRecord(Self.replacing("labels", by: ["a": 1, "b": nil, "c": "d"]))?.labels == ["c": "d"])
    }

    @Test("an epoch has 16 digits, however small the number")
    func epochs() {
        #expect(SessionRecord.epoch(random: 0) == "0000000000000000")
        #expect(SessionRecord.epoch(random: 0xABC) == "0000000000000abc")
        #expect(SessionRecord.epoch(random: .max) == "ffffffffffffffff")
        #expect(SessionRecord.isEpoch("0123456789abcdef") && !SessionRecord.isEpoch("0123456789abcdeF"))
        #expect(
            !SessionRecord.isEpoch("") && !SessionRecord.isEpoch("0123456789abcde")
                && !SessionRecord.isEpoch("０123456789abcd"))
    }

    @Test("a file is read by its name, and what is no record is none")
    func file() throws {
        try withTemporaryDirectory { directory in
            var random = RandomValues(seed: 9)
            let record = random.record()
            let path = "\(directory)/a.session.json"
            #expect(SessionRecord(at: path) == nil)
            let file = try OpenFile(path, .createNew)
            defer { file.close() }
            #expect(SessionRecord(at: path) == nil)
            try file.write(record.fileBytes)
            #expect(SessionRecord(at: path) == record)
            try Posix.makeSymbolicLink(at: "\(directory)/link.session.json", to: path)
            #expect(SessionRecord(at: "\(directory)/link.session.json") == nil)
            #expect(SessionRecord(at: directory) == nil)
        }
    }

    @Test("the longest command and the most labels make a record that is read")
    func longest() {
        var random = RandomValues(seed: 10)
        var record = random.record()
        record.command = [String](repeating: "\u{1}", count: SessionRecord.longestText)
        record.cwd = String(repeating: "\u{2}", count: SessionRecord.longestText)
        record.labels = SessionLabels((0..<16).map { ("\($0)", String(repeating: "\u{3}", count: 1000)) })
        #expect(record.fileBytes.count < SessionRecord.longestRecord)
        #expect(SessionRecord(record.fileBytes) == record)
    }
}
