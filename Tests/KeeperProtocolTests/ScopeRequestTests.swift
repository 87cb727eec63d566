import Testing

@testable import KeeperProtocol

@Suite("Scopes of sessions") struct ScopeRequestTests {
    @Test("a unit's name has the session and its life, and fits for the longest session")
    func names() throws {
        let request = ScopeRequest(session: "a.b-c_D", epoch: "0123456789abcdef")
        #expect(request.unit == "uvkeeper-a.b-c_D-0123456789abcdef.scope")
        #expect(request.unit != ScopeRequest(session: "a.b-c_D", epoch: "0123456789abcdee").unit)
        let longest = try SessionID(String(repeating: "x", count: SessionID.maximumLength))
        #expect(ScopeRequest(session: longest, epoch: "0123456789abcdef").unit.utf8.count <= 255)
        // Whatever a session may be called, systemd takes in a unit's name: letters, digits, ':', '-', '_', '.' and '\'.
        for byte in UInt8(1)...127 {
            let name = "a" + String(UnicodeScalar(byte))
            guard let session = try? SessionID(name) else { continue }
            let unit = ScopeRequest(session: session, epoch: "0").unit
            #expect(
                unit.utf8.allSatisfy {
                    UnicodeScalar($0).properties.isAlphabetic || "0123456789:-_.\\".utf8.contains($0)
                })
        }
    }

    @Test("no process is named but the sender: the keeper's number may be another's where the manager is")
    func sender() throws {
        var body = BusWriter()
        ScopeRequest(session: "s", epoch: "0").write(&body)
        let property: [UInt8] = [4, 0, 0, 0] + Array("PIDs".utf8) + [0, 2] + Array("au".utf8) + [0]
        let range = try #require(body.bytes.firstRange(of: property))
        // The array of numbers begins at a boundary of four: its length and its only number.
        let start = (range.upperBound + 3) / 4 * 4
        #expect(Array(body.bytes[start..<start + 8]) == [4, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test("without a slice and limits these properties are not there")
    func leavesOut() {
        var body = BusWriter()
        ScopeRequest(session: "s", epoch: "0").write(&body)
        let text = String(decoding: body.bytes, as: UTF8.self)
        #expect(text.contains("PIDs") && text.contains("CollectMode") && text.contains("Delegate"))
        for name in ["Slice", "MemoryMax", "MemoryHigh", "CPUQuota", "TasksMax"] { #expect(!text.contains(name)) }
    }
}
