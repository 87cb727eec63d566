import TestSupport
import Testing

@testable import UVKeeper

@Suite struct KeeperConnectionTests {
    @Test("many megabytes stream through with back-pressure, and the keeper closes at the end")
    func streaming() throws {
        try withWorld { world throws in
            _ = try world.spawn("s1")
            let line = [UInt8](repeating: UInt8(ascii: "x"), count: 99_999) + [10]
            var left = 200
            var pauses = 0
            func fill(_ connection: KeeperConnection) {
                while left > 0 {
                    left -= 1
                    if !connection.write(line) {
                        pauses += 1
                        if left > 0 { return }
                    }
                }
                connection.finish()
            }
            let end: KeeperConnection.End = try world.result { done in
                let connection = try KeeperConnection(
                    to: world.paths.socket(for: "s1"), on: world.loop,
                    onOpen: { connection in
                        connection.onDrain = { connection in if left > 0 { fill(connection) } }
                        fill(connection)
                    }, onEnd: { _, end in done(end) })
                #expect(connection.acceptedByteCount == 0)
            }
            #expect(end == .confirmed)
            #expect(pauses > 0)
            try world.eventually {
                let path = world.path("s1.out")
                return try world.exists(path) && Files.status(of: path).size == 200 * 100_000
            }
        }
    }

    @Test("a connection to nobody fails, with nothing accepted")
    func nobody() throws {
        try withWorld { world throws in
            let end: KeeperConnection.End = try world.result { done in
                _ = try KeeperConnection(
                    to: world.path("x"), on: world.loop, onOpen: { _ in Issue.record("open") },
                    onEnd: { _, end in done(end) })
            }
            #expect(end == .failed(.noEntry, accepted: 0))
            #expect(throws: UVError.invalidArgument) {
                _ = try KeeperConnection(to: "", on: world.loop, onOpen: { _ in }, onEnd: { _, _ in })
            }
        }
    }

    @Test("a keeper that closes before the end has confirmed nothing", arguments: [true, false])
    func closedEarly(_ isFinished: Bool) throws {
        try withWorld { world throws in
            let listener = try Listener(.reset, at: world.path("x"), in: world)
            let end: KeeperConnection.End = try world.result { done in
                _ = try KeeperConnection(
                    to: listener.path, on: world.loop,
                    onOpen: { connection in
                        connection.write(Array("line\n".utf8))
                        if isFinished { connection.finish() }
                    }, onEnd: { _, end in done(end) })
            }
            #expect(end == .failed(.connectionReset, accepted: 5))
        }
    }

    @Test("a clean close before the end is a failure too")
    func cleanButEarly() throws {
        try withWorld { world throws in
            let listener = try Listener(.drop, at: world.path("x"), in: world)
            let end: KeeperConnection.End = try world.result { done in
                _ = try KeeperConnection(
                    to: listener.path, on: world.loop, onOpen: { _ in }, onEnd: { _, end in done(end) })
            }
            #expect(end == .failed(.connectionReset, accepted: 0))
        }
    }

    @Test("closed, it calls back no more and is released", arguments: [true, false])
    func close(_ isOpen: Bool) throws {
        try withWorld { world throws in
            let listener = try Listener(.hold, at: world.path("x"), in: world)
            weak var released: KeeperConnection?
            try {
                var opened = false
                let connection = try KeeperConnection(
                    to: listener.path, on: world.loop, onOpen: { _ in opened = true },
                    onEnd: { _, _ in Issue.record("ended") })
                released = connection
                if isOpen {
                    try world.eventually { opened }
                    connection.write(Array("x\n".utf8))
                    connection.finish()
                }
                connection.close()
                connection.close()
                try world.run(for: .milliseconds(20))
                #expect(opened == isOpen)
            }()
            #expect(released == nil)
        }
    }

    @Test("closed while the backlog is full, it stops trying")
    func closedWhileRetrying() throws {
        try withWorld { world throws in
            let listener = try Listener(.confirm, at: world.path("x"), backlog: 0, in: world)
            listener.pause()
            var probes = 0
            while case .accepting(.some) = SocketProbe(listener.path) { probes += 1 }
            let connection = try KeeperConnection(
                to: listener.path, on: world.loop, onOpen: { _ in Issue.record("open") },
                onEnd: { _, _ in Issue.record("ended") })
            try world.run(for: .milliseconds(20))
            connection.close()
            try listener.resume()
            try world.run(for: .milliseconds(50))
            #expect(listener.connections == probes)
        }
    }

    enum Stage: CaseIterable { case connecting, retrying, open, finishing }

    @Test("whose loop closes everything ends once, as canceled", arguments: Stage.allCases)
    func canceled(_ stage: Stage) throws {
        try withWorld { world throws in
            let listener = try Listener(.hold, at: world.path("x"), backlog: stage == .retrying ? 0 : 511, in: world)
            if stage == .retrying {
                listener.pause()
                while case .accepting(.some) = SocketProbe(listener.path) {}
            }
            var opened: KeeperConnection?
            var ends: [KeeperConnection.End] = []
            _ = try KeeperConnection(
                to: listener.path, on: world.loop, onOpen: { opened = $0 }, onEnd: { ends.append($1) })
            switch stage {
            case .connecting: break
            case .retrying: try world.run(for: .milliseconds(20))
            case .open, .finishing:
                try world.eventually { opened != nil }
                if stage == .finishing {
                    opened?.write(Array("x\n".utf8))
                    opened?.finish()
                }
            }
            world.loop.closeHandles()
            #expect(ends.isEmpty)
            // Nobody's mistake.
            if stage == .open { opened?.write(Array("y\n".utf8)) }
            try world.run(for: .milliseconds(20))
            #expect(ends == [.failed(.canceled, accepted: stage == .finishing ? 2 : 0)])
            if stage == .open { #expect(opened?.write(Array("z\n".utf8)) == false) }
            opened?.close()
        }
    }
}
