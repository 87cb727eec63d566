import KeeperProtocol
import Testing

@Suite struct SessionStatusTests {
    @Test("a status is read as it was written, for random ones")
    func roundTrip() {
        var random = RandomValues(seed: 41)
        for _ in 0..<500 {
            let status = random.status()
            #expect(SessionStatus(status.json) == status)
        }
    }

    @Test("a status needs a session, an epoch, a state and two processes; the rest has its defaults")
    func needed() {
        var random = RandomValues(seed: 42)
        let members = random.status().json.members ?? []
        let needed = ["session", "epoch", "state", "keeper", "child"]
        for name in members.map(\.name) {
            let rest = JSONValue.object(members.filter { $0.name != name })
            #expect((SessionStatus(rest) == nil) == needed.contains(name), "\(name)")
        }
        #expect(SessionStatus(.object(members + [.init("new", [1])])) != nil)
        #expect(SessionStatus(.object(members.filter { $0.name != "state" } + [.init("state", "later")])) == nil)
    }

    @Test("a stream's value is found by its name")
    func streams() {
        var streams = SessionStatus.Streams(out: 1, err: 2)
        #expect(streams[.out] == 1 && streams[.err] == 2)
        streams[.err] = 3
        #expect(streams == SessionStatus.Streams(out: 1, err: 3))
    }
}
