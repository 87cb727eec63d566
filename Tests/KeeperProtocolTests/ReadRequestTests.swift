import KeeperProtocol
import Testing

@Suite struct ReadRequestTests {
    @Test("a request is read as it was written, for random ones")
    func roundTrip() throws {
        var random = RandomValues(seed: 21)
        for _ in 0..<500 {
            let request = random.readRequest()
            #expect(try ReadRequest(request.json) == request)
        }
    }

    @Test("what is left out is standard output, from the end, and no more")
    func defaults() throws {
        #expect(try ReadRequest([:]) == ReadRequest([.out], from: .end, epoch: nil, follows: false))
        #expect(try ReadRequest(["streams": ["err"]]).from == .end)
    }

    @Test("offsets name every stream that is asked for, in whatever order the members come")
    func offsets() throws {
        let both: JSONValue = ["from": ["err": 1, "out": 2], "streams": ["out", "err"]]
        #expect(try ReadRequest(both).from == .offsets([.out: 2, .err: 1]))
        for from in [["out": 1], ["err": 1], [:], ["out": 1, "err": 2, "aux": 3], ["out": 1, "err": nil]] as [JSONValue]
        {
            #expect(throws: ChannelError.self) { try ReadRequest(["streams": ["out", "err"], "from": from]) }
        }
    }

    @Test("an error is one of an argument of read")
    func errors() {
        for json in [["streams": []], ["from": 5], ["epoch": 5], ["follow": 0]] as [JSONValue] {
            do throws(ChannelError) {
                _ = try ReadRequest(json)
                Issue.record("\(json) was read")
            } catch {
                #expect(error.code == .argument && error.verb == "read" && error.sequence == nil)
            }
        }
    }
}
