import TestSupport
import Testing

@testable import KeeperProtocol

@Suite("The conversation with a service manager") struct ScopeConversationTests {
    private static let request = ScopeRequest(session: "s", epoch: "0123456789abcdef")
    private static let unit = "uvkeeper-s-0123456789abcdef.scope"
    private static let job = "/org/freedesktop/systemd1/job/17"
    private static let hello = BusAnswer.answer(to: 1, .string(":1.5"))
    private static let done = BusAnswer.jobRemoved(job, of: unit, "done")
    private static let named = BusAnswer.answer(to: 5, .path(job))

    private func conversation(leaving service: String? = nil) -> ScopeConversation {
        ScopeConversation(Self.request, leaving: service)
    }

    /// How a conversation ends to which these bytes come, in pieces of this size; nil if it does not.
    private func end(
        _ bytes: [UInt8], leaving service: String? = nil, pieces: Int = .max, sent: ((_ calls: [String]) -> Void)? = nil,
    ) throws -> ScopeConversation.End? {
        var conversation = conversation(leaving: service)
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(pieces))
            rest = rest.dropFirst(pieces)
            switch piece.withUnsafeBytes({ conversation.receive($0) }) {
            case .send(let bytes): sent?(try calls(bytes))
            case .wait: break
            case .end(let end): return end
            }
        }
        return nil
    }

    private func calls(_ bytes: [UInt8]) throws -> [String] {
        var bytes = bytes
        var calls: [String] = []
        while let message = try BusMessage.take(from: &bytes) { calls.append(message.member ?? "") }
        #expect(bytes.isEmpty)
        return calls
    }

    @Test("the greeting names the user, and brings all calls with it if nothing is asked first")
    func greeting() throws {
        let bytes = conversation().greeting(userID: 1000)
        let text = Array("\0AUTH EXTERNAL 31303030\r\nBEGIN\r\n".utf8)
        #expect(bytes.starts(with: text))
        let all = try calls(Array(bytes.dropFirst(text.count)))
        #expect(all == ["Hello", "AddMatch", "Subscribe", "StartTransientUnit"])
        let asking = conversation(leaving: "a.service").greeting(userID: 0)
        #expect(asking.starts(with: Array("\0AUTH EXTERNAL 30\r\n".utf8)))
        #expect(try calls(Array(asking.dropFirst("\0AUTH EXTERNAL 30\r\nBEGIN\r\n".utf8.count))) == ["Hello", "Get"])
    }

    @Test("the job's end is the end, in any pieces, and not before its last byte", arguments: [1, 2, 7, 64, .max])
    func moves(pieces: Int) throws {
        let others = BusAnswer.jobRemoved("/org/freedesktop/systemd1/job/16", of: "other.service", "done")
        let bytes = BusAnswer.ok + Self.hello + BusAnswer.answer(to: 3) + BusAnswer.answer(to: 4) + others + Self.named
        #expect(try end(bytes + Self.done, pieces: pieces) == .moved)
        for count in 0..<(bytes + Self.done).count {
            #expect(try end(Array((bytes + Self.done)[..<count]), pieces: pieces) == nil)
        }
        #expect(try end(bytes + Self.done + [0xFF], pieces: pieces) == .moved, "what follows is not looked at")
    }

    @Test("the signal may come before the answer that names its job")
    func signalFirst() throws {
        #expect(try end(BusAnswer.ok + Self.hello + Self.done + Self.named) == .moved)
        let other = BusAnswer.jobRemoved("/org/freedesktop/systemd1/job/3", of: Self.unit, "canceled")
        #expect(try end(BusAnswer.ok + other + Self.done + Self.named) == .moved)
        #expect(try end(BusAnswer.ok + other + Self.named) == nil, "another job of that unit is not ours")
    }

    @Test("a job that ends otherwise is told in its words", arguments: ["canceled", "timeout", "failed", "dependency"])
    func jobFails(result: String) throws {
        let failed = BusAnswer.jobRemoved(Self.job, of: Self.unit, result)
        let expected = ScopeConversation.End.refused("the job for \(Self.unit) ended as \(result)")
        #expect(try end(BusAnswer.ok + Self.named + failed) == expected)
        #expect(try end(BusAnswer.ok + failed + Self.named) == expected)
    }

    @Test("an error ends it, with its text and its name", arguments: [1, 3, 4, 5] as [UInt32])
    func fails(serial: UInt32) throws {
        let failure = BusAnswer.failure(of: serial, "org.a.No", "it may not")
        #expect(try end(BusAnswer.ok + failure) == .refused("it may not (org.a.No)"))
        let unasked = BusAnswer.failure(of: 77, "org.a.No", "it may not")
        #expect(try end(BusAnswer.ok + unasked + Self.named + Self.done) == .moved)
    }

    @Test("a service that spares its processes is not left", arguments: ["process", "none"])
    func notNeeded(mode: String) throws {
        let answer = BusAnswer.answer(to: 2, .property(mode))
        let result = try end(BusAnswer.ok + Self.hello + answer, leaving: "a.service") { calls in
            Issue.record("nothing is asked for: \(calls)")
        }
        #expect(result == .notNeeded(killMode: mode))
    }

    @Test("another service is left, and one that this manager does not know")
    func asks() throws {
        for answer in [
            BusAnswer.answer(to: 2, .property("control-group")), BusAnswer.answer(to: 2, .property("mixed")),
            BusAnswer.answer(to: 2, .number(1)), BusAnswer.answer(to: 2),
            BusAnswer.failure(of: 2, "org.freedesktop.systemd1.NoSuchUnit", "not loaded"),
        ] {
            var sent: [[String]] = []
            let bytes = BusAnswer.ok + Self.hello + answer + Self.named + Self.done
            #expect(try end(bytes, leaving: "a.service", pieces: 8) { sent.append($0) } == .moved)
            #expect(sent == [["AddMatch", "Subscribe", "StartTransientUnit"]])
        }
    }

    @Test("a bus that does not take the user says so; what is no D-Bus is told from that")
    func greetingRefused() throws {
        for line in ["REJECTED EXTERNAL\r\n", "ERROR\r\n", "REJECTED\n"] {
            #expect(try end(Array(line.utf8)) == .refused("the bus does not take this user"))
        }
        for line in ["HTTP/1.1 400 Bad Request\r\n", "\r\n", "ok\r\n", "OKAY\r\n", "\u{0}\n"] {
            #expect(try end(Array(line.utf8)) == .refused("what came is no D-Bus"))
        }
        #expect(try end([UInt8](repeating: 0x4F, count: 16_383), pieces: 1000) == nil)
        #expect(try end([UInt8](repeating: 0x4F, count: 16_384), pieces: 1000) == .refused("what came is no D-Bus"))
        #expect(try end(BusAnswer.ok + [UInt8](repeating: 0x42, count: 16)) == .refused("what came is no D-Bus"))
    }

    @Test("an answer without a job, and jobs without end, end it")
    func hostile() throws {
        #expect(
            try end(BusAnswer.ok + BusAnswer.answer(to: 5, .string("x")))
                == .refused("the service manager's answer names no job"))
        let job = BusAnswer.jobRemoved("/j", of: Self.unit, "done")
        let many = (0..<16).flatMap { _ in job }
        #expect(try end(BusAnswer.ok + many + Self.named + Self.done) == .moved)
        #expect(try end(BusAnswer.ok + many + job) == .refused("too many jobs"))
        #expect(
            try end(BusAnswer.ok + Self.named + Self.named) == .refused("the service manager's answer names no job"))
    }

    @Test("once it has ended it takes nothing more")
    func ended() {
        var conversation = conversation()
        let rejected = Array("REJECTED\r\n".utf8)
        _ = rejected.withUnsafeBytes { conversation.receive($0) }
        #expect((BusAnswer.ok + Self.named + Self.done).withUnsafeBytes { conversation.receive($0) } == .wait)
    }

    @Test(
        "a unit's object path has what is no letter as its number",
        arguments: [
            ("my-server.service", "my_2dserver_2eservice"), ("a@b.service", "a_40b_2eservice"),
            ("1.service", "_31_2eservice"), ("a1_.service", "a1_5f_2eservice"), ("é.service", "_c3_a9_2eservice"),
        ])
    func paths(unit: String, path: String) {
        #expect(ScopeConversation.path(of: unit) == "/org/freedesktop/systemd1/unit/\(path)")
    }
}
