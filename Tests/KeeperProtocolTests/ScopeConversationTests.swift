import TestSupport
import Testing

@testable import KeeperProtocol

@Suite("The conversation with a service manager") struct ScopeConversationTests {
    private static let request = ScopeRequest(session: "s", epoch: "0123456789abcdef")
    private static let unit = "uvkeeper-s-0123456789abcdef.scope"
    private static let job = "/org/freedesktop/systemd1/job/17"
    private static let hello = BusAnswer.answer(to: 1, .string(":1.5"))
    private static let known = BusAnswer.answer(to: 6, .number(4711))
    /// What comes before the scope is asked for, where no service is.
    private static let begun = BusAnswer.ok + hello + known
    private static let done = BusAnswer.jobRemoved(job, of: unit, "done")
    private static let named = BusAnswer.answer(to: 5, .path(job))

    private func conversation(leaving service: String? = nil) -> ScopeConversation {
        ScopeConversation(Self.request, leaving: service, processID: 4711)
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

    @Test("the greeting names the user, and asks for a service")
    func greeting() throws {
        let bytes = conversation().greeting(userID: 1000)
        let text = Array("\0AUTH EXTERNAL 31303030\r\nBEGIN\r\n".utf8)
        #expect(bytes.starts(with: text))
        let all = try calls(Array(bytes.dropFirst(text.count)))
        #expect(all == ["Hello"])
        let asking = conversation(leaving: "a.service").greeting(userID: 0)
        #expect(asking.starts(with: Array("\0AUTH EXTERNAL 30\r\n".utf8)))
        #expect(try calls(Array(asking.dropFirst("\0AUTH EXTERNAL 30\r\nBEGIN\r\n".utf8.count))) == ["Hello", "Get"])
    }

    @Test("the job's end is the end, in any pieces, and not before its last byte", arguments: [1, 2, 7, 64, .max])
    func moves(pieces: Int) throws {
        let others = BusAnswer.jobRemoved("/org/freedesktop/systemd1/job/16", of: "other.service", "done")
        let bytes = Self.begun + BusAnswer.answer(to: 3) + BusAnswer.answer(to: 4) + others + Self.named
        #expect(try end(bytes + Self.done, pieces: pieces) == .moved)
        for count in 0..<(bytes + Self.done).count {
            #expect(try end(Array((bytes + Self.done)[..<count]), pieces: pieces) == nil)
        }
        #expect(try end(bytes + Self.done + [0xFF], pieces: pieces) == .moved, "what follows is not looked at")
    }

    @Test("the signal may come before the answer that names its job")
    func signalFirst() throws {
        #expect(try end(Self.begun + Self.done + Self.named) == .moved)
        let other = BusAnswer.jobRemoved("/org/freedesktop/systemd1/job/3", of: Self.unit, "canceled")
        #expect(try end(Self.begun + other + Self.done + Self.named) == .moved)
        #expect(try end(Self.begun + other + Self.named) == nil, "another job of that unit is not ours")
    }

    @Test("a job that ends otherwise is told in its words", arguments: ["canceled", "timeout", "failed", "dependency"])
    func jobFails(result: String) throws {
        let failed = BusAnswer.jobRemoved(Self.job, of: Self.unit, result)
        let expected = ScopeConversation.End.refused("the job for \(Self.unit) ended as \(result)")
        #expect(try end(Self.begun + Self.named + failed) == expected)
        #expect(try end(Self.begun + failed + Self.named) == expected)
    }

    @Test("an error ends it, with its text and its name", arguments: [1, 3, 4, 5] as [UInt32])
    func fails(serial: UInt32) throws {
        let failure = BusAnswer.failure(of: serial, "org.a.No", "it may not")
        #expect(try end(BusAnswer.ok + failure) == .refused("it may not (org.a.No)"))
        let unasked = BusAnswer.failure(of: 77, "org.a.No", "it may not")
        #expect(try end(Self.begun + unasked + Self.named + Self.done) == .moved)
    }

    @Test("a service that spares its processes is not left", arguments: ["process", "none"])
    func notNeeded(mode: String) throws {
        let answer = BusAnswer.answer(to: 2, .property(mode))
        for sender in [[], Self.known, BusAnswer.answer(to: 6, .number(1))] {
            let result = try end(BusAnswer.ok + Self.hello + answer + sender, leaving: "a.service") { calls in
                Issue.record("nothing is asked for: \(calls)")
            }
            #expect(result == .notNeeded(killMode: mode))
        }
    }

    @Test("another service is left, and one that this manager does not know")
    func asks() throws {
        for answer in [
            BusAnswer.answer(to: 2, .property("control-group")), BusAnswer.answer(to: 2, .property("mixed")),
            BusAnswer.answer(to: 2, .number(1)), BusAnswer.answer(to: 2),
            BusAnswer.failure(of: 2, "org.freedesktop.systemd1.NoSuchUnit", "not loaded"),
        ] {
            var sent: [[String]] = []
            for answers in [answer + Self.known, Self.known + answer] {
                let bytes = BusAnswer.ok + Self.hello + answers + Self.named + Self.done
                sent = []
                #expect(try end(bytes, leaving: "a.service", pieces: 8) { sent.append($0) } == .moved)
                #expect(sent == [["GetConnectionUnixProcessID"], ["AddMatch", "Subscribe", "StartTransientUnit"]])
            }
        }
    }

    @Test("nothing is asked for if the bus takes another process for the sender; one that does not tell is trusted")
    func sender() throws {
        func words(_ answer: [UInt8]) throws -> String? {
            guard case .refused(let words) = try end(BusAnswer.ok + Self.hello + answer + Self.named + Self.done)
            else { return nil }
            return words
        }
        let reason = ", and this is 4711: a relay is between, or this is a pid namespace of its own"
        for number in [0, 1, 4710, .max] as [UInt32] {
            #expect(
                try words(BusAnswer.answer(to: 6, .number(number)))
                    == "the bus takes process \(number) for the sender\(reason)")
        }
        let unknown = BusAnswer.failure(of: 6, "org.freedesktop.DBus.Error.UnixProcessIdUnknown", "who is that")
        for answer in [BusAnswer.answer(to: 6), unknown] {
            #expect(try end(BusAnswer.ok + Self.hello + answer + Self.named + Self.done) == .moved)
        }
        #expect(try end(BusAnswer.ok + BusAnswer.answer(to: 1) + Self.named + Self.done) == .moved)
        // A second answer changes nothing.
        #expect(
            try end(Self.begun + BusAnswer.answer(to: 6, .number(1)) + Self.named + Self.done) == .moved)
    }

    @Test("a request is withdrawn once it was sent, and its answer is then waited for alone")
    func withdraws() throws {
        var conversation = conversation()
        #expect(conversation.withdraw() == nil)
        _ = (BusAnswer.ok + Self.hello).withUnsafeBytes { conversation.receive($0) }
        #expect(conversation.withdraw() == nil)
        _ = Self.known.withUnsafeBytes { conversation.receive($0) }
        var bytes = conversation.withdraw() ?? []
        let call = try BusMessage.take(from: &bytes)
        let message = try #require(call)
        #expect(message.member == "StopUnit" && message.texts == [Self.unit, "replace"] && bytes.isEmpty)
        let late = Self.named + Self.done + BusAnswer.failure(of: 5, "org.a.No", "x")
        #expect(late.withUnsafeBytes { conversation.receive($0) } == .wait)
        var other = conversation
        let (stopped, none) = (BusAnswer.answer(to: 7, .path(Self.job)), BusAnswer.failure(of: 7, "org.a.No", "x"))
        #expect(stopped.withUnsafeBytes { conversation.receive($0) } == .end(.refused("the request is withdrawn")))
        #expect(none.withUnsafeBytes { other.receive($0) } == .end(.refused("the request is withdrawn")))
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
            try end(Self.begun + BusAnswer.answer(to: 5, .string("x")))
                == .refused("the service manager's answer names no job"))
        let job = BusAnswer.jobRemoved("/j", of: Self.unit, "done")
        let many = (0..<16).flatMap { _ in job }
        #expect(try end(Self.begun + many + Self.named + Self.done) == .moved)
        #expect(try end(Self.begun + many + job) == .refused("too many jobs"))
        #expect(
            try end(Self.begun + Self.named + Self.named) == .refused("the service manager's answer names no job"))
    }

    @Test("once it has ended it takes nothing more")
    func ended() {
        var conversation = conversation()
        let rejected = Array("REJECTED\r\n".utf8)
        _ = rejected.withUnsafeBytes { conversation.receive($0) }
        #expect((Self.begun + Self.named + Self.done).withUnsafeBytes { conversation.receive($0) } == .wait)
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
