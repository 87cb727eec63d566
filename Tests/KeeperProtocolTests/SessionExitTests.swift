import KeeperProtocol
import Testing

@Suite struct SessionExitTests {
    @Test("an exit is read as it was written, for random ones")
    func roundTrip() {
        var random = RandomValues(seed: 31)
        for _ in 0..<500 {
            let exit = random.exit()
            #expect(SessionExit(exit.json) == exit)
        }
    }

    @Test(
        "the status for a shell is the code, or 128 and the signal",
        arguments: [
            (0, nil, 0), (1, nil, 1), (255, nil, 255), (nil, "TERM", 143), (nil, "KILL", 137), (nil, "HUP", 129),
            (nil, "INT", 130),
            (nil, "SEGV", 139), (nil, "34", 162), (nil, "NONE", nil), (nil, "SIGTERM", nil), (nil, "", nil),
            (nil, nil, nil),
            (3, "TERM", 3),
        ] as [(Int32?, String?, Int32?)]
    )
    func shellStatus(code: Int32?, signal: String?, status: Int32?) {
        var exit = SessionExit(reason: .exited, at: "")
        (exit.code, exit.signal) = (code, signal)
        #expect(exit.shellStatus == status)
    }

    @Test("what has no reason and no time is no exit")
    func others() {
        let jsons: [JSONValue?] = [
            nil, .some(.null), 5, [], [:], ["reason": "exited"], ["at": ""], ["reason": 5, "at": ""],
        ]
        for json in jsons { #expect(SessionExit(json) == nil) }
    }

    @Test("a reason of a later version ends a session too")
    func laterReason() {
        let exit = SessionExit(["reason": "later", "at": "", "code": 3])
        #expect(exit?.reason == .unknown)
        #expect(exit?.code == 3)
    }

    @Test("members that are missing, or of another kind, have their defaults")
    func defaults() {
        let bare: JSONValue = ["reason": "keeper-lost", "at": "then"]
        #expect(SessionExit(bare) == SessionExit(reason: .keeperLost, at: "then"))
        let odd: JSONValue = [
            "reason": "keeper-lost", "at": "then", "code": "1", "signal": 5, "by": "later", "leftBehind": 5,
            "output": [:],
            "inputUnread": nil, "writers": [5, ["name": "a"]], "stderrTail": nil, "new": [:],
        ]
        #expect(SessionExit(odd) == SessionExit(reason: .keeperLost, at: "then"))
    }
}
