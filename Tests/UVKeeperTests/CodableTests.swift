import Foundation
import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

/// What hosts keep and pass on as JSON, read back as it was written.
@Suite struct CodableTests {
    private func copy<Value: Codable>(_ value: Value) throws -> Value {
        try JSONDecoder().decode(Value.self, from: try JSONEncoder().encode(value))
    }

    @Test("status, record, exit and discovery are read as they were written")
    func roundTrip() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            let session = world.manager.session("s1")
            let status = try #require(try world.manager.status(of: "s1"))
            let json = String(decoding: try JSONEncoder().encode(status), as: UTF8.self)
            #expect(json.contains(#""session":"s1""#) && json.contains(#""ageSeconds":"#))
            #expect(try copy(status) == status)
            let channel = try world.result { session.status($0) }.get()
            #expect(try copy(channel) == channel)
            var found = try world.discover(world.otherManager())
            #expect(found.keepers.count == 1)
            #expect(try copy(found) == found)
            try Processes.send(.kill, to: keeper.pid)
            try world.eventually { !keeper.isRunning }
            found = try world.discover(world.otherManager())
            #expect(found.ended == ["s1"])
            #expect(try copy(found) == found)
            let record = try #require(session.record)
            #expect(record.exit?.reason == .keeperLost)
            #expect(try copy(record) == record)
        }
    }

    @Test("text that is no session id is not read as one")
    func invalid() throws {
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([SessionID].self, from: Data(#"["../x"]"#.utf8))
        }
        #expect(try JSONDecoder().decode([SessionID].self, from: Data(#"["x"]"#.utf8)) == ["x"])
    }

    @Test("labels are read as they were written, but for names that Foundation's JSON takes for one")
    func labels() throws {
        let labels: SessionLabels = ["a": "1", "": "2", "e\u{301}": "\u{E9}", "\"\n": "\0"]
        #expect(try copy(labels) == labels)
        let alike: SessionLabels = ["a": "1", "e\u{301}": "decomposed", "\u{E9}": "composed"]
        let copied = try copy(alike)
        #expect(copied.count == 2 && copied["a"] == "1")
    }
}
