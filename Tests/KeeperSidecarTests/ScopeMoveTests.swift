import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@testable import KeeperSidecar

@Suite("The move into a scope") struct ScopeMoveTests {
    private static let request = ScopeRequest(session: "s", epoch: "0123456789abcdef")

    /// How a move ends that asks a bus.
    private func end(
        _ behaviour: FakeBus.Behaviour, leaving service: String? = nil, listens: Bool = true,
    ) throws -> (end: ScopeConversation.End?, calls: [String]) {
        var end: ScopeConversation.End?
        var calls: [String] = []
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let bus = try FakeBus(behaviour, at: "\(directory)/bus", on: loop, listens: listens)
                let move = ScopeMove(Self.request, leaving: service, buses: [bus.path], on: loop) { end = $0 }
                #expect(end == nil, "never within the call that begins it")
                try run(loop) { end != nil && bus.isLeft }
                calls = bus.calls.map(\.member)
                try bus.close()
                withExtendedLifetime(move) {}
            }
        }
        return (end, calls)
    }

    @Test("a service manager that does as it is asked, in either order", arguments: [false, true])
    func moves(signalFirst: Bool) throws {
        let result = try end(.answers(FakeBus.systemd(signalFirst: signalFirst)))
        #expect(result.end == .moved)
        #expect(
            result.calls == ["Hello", "GetConnectionUnixProcessID", "AddMatch", "Subscribe", "StartTransientUnit"])
        let asked = try end(.answers(FakeBus.systemd(killMode: "mixed")), leaving: "a.service")
        #expect(asked.end == .moved && asked.calls.prefix(2) == ["Hello", "Get"])
    }

    @Test("a service that spares its processes is not left, and nothing is asked for")
    func notNeeded() throws {
        let result = try end(.answers(FakeBus.systemd(killMode: "process")), leaving: "a.service")
        #expect(result.end == .notNeeded(killMode: "process") && result.calls == ["Hello", "Get"])
    }

    @Test(
        "a connection that breaks, at each byte of what the bus says, is told as such; it does not matter after the last"
    )
    func breaks() throws {
        var whole = BusAnswer.ok.count
        let answers = FakeBus.systemd()
        _ = try end(
            .answers { call in
                let bytes = try answers(call)
                whole += bytes?.count ?? 0
                return bytes
            })
        #expect(whole > 300)
        for count in 0...whole {
            let result = try end(.breaks(after: count, answers)).end
            guard count < whole else {
                #expect(result == .moved)
                continue
            }
            guard case .refused(let words) = result, words.hasSuffix("it broke off") else {
                Issue.record("after \(count) bytes: \(String(describing: result))")
                continue
            }
        }
    }

    @Test(
        "a bus that says nothing, one that answers nothing, and one that lets nobody in are not waited for without end")
    func silence() throws {
        let silent = try end(.says([]))
        #expect(silent.end.map { "\($0)".contains("no answer from") && "\($0)".contains("within 500 ms") } == true)
        #expect(silent.calls == ["Hello"])
        let deaf = try end(.answers { $0.member == "Hello" ? BusAnswer.answer(to: 1, .string(":1.5")) : nil })
        #expect(deaf.end.map { "\($0)".contains("no answer from") } == true)
        #expect(deaf.calls == ["Hello", "GetConnectionUnixProcessID"])
        let closed = try end(.says([]), listens: false)
        #expect(closed.end.map { "\($0)".contains("no answer from") } == true)
    }

    @Test("garbage, a user that is not taken, and an error; the reason names the bus")
    func refusals() throws {
        func reason(_ behaviour: FakeBus.Behaviour) throws -> String? {
            guard case .refused(let words) = try end(behaviour).end else { return nil }
            let parts = words.split(separator: "/bus: ", maxSplits: 1)
            #expect(parts.count == 2 && words.hasPrefix("/"), "\(words)")
            return parts.last.map(String.init)
        }
        #expect(try reason(.says(Array("HTTP/1.1 400\r\n".utf8))) == "what came is no D-Bus")
        #expect(try reason(.says(Array("REJECTED EXTERNAL\r\n".utf8))) == "the bus does not take this user")
        #expect(try reason(.says(BusAnswer.ok + [UInt8](repeating: 0xAA, count: 4096))) == "what came is no D-Bus")
        let unknown = "The name org.freedesktop.systemd1 was not provided by any .service files"
        let name = "org.freedesktop.DBus.Error.ServiceUnknown"
        // A bus of dbus-run-session: a bus, and no service manager on it.
        let words = try reason(
            .answers { call in
                call.member == "Hello"
                    ? BusAnswer.answer(to: call.serial, .string(":1.5"))
                    : BusAnswer.failure(of: call.serial, name, unknown)
            })
        #expect(words == "\(unknown) (\(name))")
    }

    @Test("a bus that is not there, and a path that is none")
    func missing() throws {
        for path in ["/nowhere/bus", "/" + String(repeating: "x", count: 200)] {
            var end: ScopeConversation.End?
            try withLoop { loop in
                let move = ScopeMove(Self.request, leaving: nil, buses: [path], on: loop) { end = $0 }
                try run(loop) { end != nil }
                withExtendedLifetime(move) {}
            }
            #expect(end.map { "\($0)".contains("\(path): cannot connect to it") } == true)
        }
    }

    @Test("of several buses the first that takes a connection is asked; if none does, each is told with its reason")
    func severalBuses() throws {
        try withTemporaryDirectory { directory in
            let dead = "\(directory)/dead"
            let tooLong = "/" + String(repeating: "x", count: 200)
            try withLoop { loop in
                try PipeListener(bindingTo: dead, on: loop).close()
                let first = try FakeBus(.answers(FakeBus.systemd()), at: "\(directory)/first", on: loop)
                let second = try FakeBus(.answers(FakeBus.systemd()), at: "\(directory)/second", on: loop)
                func end(_ buses: [String]) throws -> ScopeConversation.End? {
                    var end: ScopeConversation.End?
                    let move = ScopeMove(Self.request, leaving: nil, buses: buses, on: loop) { end = $0 }
                    try run(loop) { end != nil && first.isLeft && second.isLeft }
                    withExtendedLifetime(move) {}
                    return end
                }
                #expect(try end(["\(directory)/missing", dead, tooLong, first.path, second.path]) == .moved)
                #expect(first.connections == 1 && second.connections == 0)
                var words = ""
                if case .refused(let reason) = try end([dead, tooLong]) { words = reason }
                let parts = words.split(separator: "; ")
                #expect(
                    parts.count == 2 && parts.first?.hasPrefix("\(dead): cannot connect to it: ") == true, "\(words)")
                #expect(parts.last?.hasPrefix("\(tooLong): cannot connect to it: ") == true, "\(words)")
                try first.close()
                try second.close()
            }
        }
    }

    @Test("a bus that has no room for one more connection is asked again")
    func crowded() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let bus = try FakeBus(.answers(FakeBus.systemd()), at: "\(directory)/bus", on: loop, backlog: 0)
                var clients: [PipeStream] = []
                var isFull = false
                while !isFull {
                    var result: UVError??
                    clients.append(try PipeStream(connectingTo: bus.path, on: loop) { result = .some($1) })
                    try run(loop) { result != nil }
                    isFull = result == .some(.wouldBlock)
                }
                var end: ScopeConversation.End?
                var tries = 0
                let move = ScopeMove(Self.request, leaving: nil, buses: [bus.path], on: loop) { end = $0 }
                // Later than its first attempt.
                try run(loop) {
                    tries += 1
                    return tries > 2
                }
                #expect(end == nil)
                for client in clients { client.close() }
                try bus.resume()
                try run(loop) { end != nil }
                #expect(end == .moved)
                try run(loop) { bus.isLeft }
                try bus.close()
                withExtendedLifetime(move) {}
            }
        }
    }

    @Test("it can be given up at once, and while it waits; nobody is told then")
    func canceled() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let bus = try FakeBus(.says([]), at: "\(directory)/bus", on: loop)
                let refuse = { (end: ScopeConversation.End) in _ = Issue.record("told: \(end)") }
                ScopeMove(Self.request, leaving: nil, buses: [bus.path], on: loop, onEnd: refuse).cancel()
                let move = ScopeMove(Self.request, leaving: nil, buses: [bus.path], on: loop, onEnd: refuse)
                try run(loop) { bus.connections == 2 }
                move.cancel()
                try run(loop) { bus.isLeft }
                try bus.close()
            }
        }
    }
}
