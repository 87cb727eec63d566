import TestSupport
import Testing

@testable import UVLoop

@Suite("TCP: connecting to hosts") struct TCPConnectTests {
    @Test("a literal and localhost take no name service", arguments: ["127.0.0.1", "localhost"])
    func literal(host: String) throws {
        try withLoop { loop in
            let listener = try echo(on: loop)
            let resolver = Resolver(service: failing.service)
            var answer: [UInt8] = []
            try TCPConnect(
                toHost: host, port: listener.localAddress.port!, resolver: resolver, on: loop
            ) { result in
                expectNoError {
                    let stream = try result.get()
                    try stream.collect { bytes in
                        answer = bytes
                        listener.close()
                    }
                    stream.write("hello")
                    stream.shutdown()
                }
            }
            loop.run()
            #expect(answer == Array("hello".utf8))
        }
    }

    @Test("the address that answers wins, whatever those before it say") func wins() throws {
        try withLoop { loop in
            let listener = try echo(on: loop)
            let port = listener.localAddress.port!
            // The first two addresses have no listener.
            let resolver = Resolver(service: try answering(["127.0.0.2", "127.0.0.3", "127.0.0.1"]).service)
            var events: [TCPConnect.Event] = []
            var winner: SocketAddress?
            try TCPConnect(
                toHost: "host.test", port: port, families: .ipv4, resolver: resolver, on: loop,
                onEvent: { events.append($0) }
            ) { result in
                expectNoError {
                    let stream = try result.get()
                    winner = try stream.remoteAddress
                    stream.close()
                    listener.close()
                }
            }
            loop.run()
            #expect(winner == listener.localAddress)
            let failed = events.filter { if case .failed(_, .connectionRefused) = $0 { true } else { false } }
            #expect(failed.count == 2 && events.last == .connected(listener.localAddress))
        }
    }

    @Test("the error has every attempt in it") func fails() throws {
        try withLoop { loop in
            let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            let resolver = Resolver(service: try answering(["127.0.0.1", "127.0.0.2"]).service)
            var failure: ConnectError?
            try TCPConnect(
                toHost: "host.test", port: listener.localAddress.port!, families: .ipv4, resolver: resolver, on: loop
            ) { result in
                if case .failure(let error) = result { failure = error }
                listener.close()
            }
            loop.run()
            #expect(failure?.error == .connectionRefused)
            #expect(failure?.attempts.map(\.address.host) == ["127.0.0.1", "127.0.0.2"])
            #expect(failure?.attempts.allSatisfy { $0.error == .connectionRefused } == true)
        }
    }

    @Test("a name that nobody knows is the look-up's error") func unknown() throws {
        try withLoop { loop in
            var failure: ConnectError?
            try TCPConnect(
                toHost: "host.test", port: 1, resolver: Resolver(service: failing.service), on: loop
            ) { if case .failure(let error) = $0 { failure = error } }
            loop.run()
            #expect(failure?.error == .unknownName)
            #expect(failure?.attempts == [] && failure?.lookups.count == 2)
        }
    }

    @Test(
        "gives up at its deadline, when it is canceled, and when the loop closes everything",
        arguments: ["deadline", "cancel", "loop"])
    func givesUp(how: String) throws {
        try withLoop { loop in
            let names = FakeNames()
            let resolver = Resolver(service: names.service)
            var failures: [UVError] = []
            let connect = try TCPConnect(
                toHost: "host.test", port: 1, resolver: resolver,
                within: how == "deadline" ? .milliseconds(20) : hangTimeout, on: loop
            ) { if case .failure(let error) = $0 { failures.append(error.error) } }
            switch how {
            case "cancel":
                connect.cancel()
                #expect(failures.isEmpty, "on a later tick")
            case "loop": loop.closeHandles()
            default: break
            }
            loop.run()
            #expect(failures == [how == "deadline" ? .timedOut : .canceled])
            connect.cancel()
            loop.run()
            #expect(failures.count == 1)
            names.open()
        }
    }

    @Test("ends when the loop closes everything while it is told of something") func closedWithin() throws {
        try withLoop { loop in
            let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            let resolver = Resolver(service: try answering(["127.0.0.1", "127.0.0.2"]).service)
            var errors: [UVError] = []
            try TCPConnect(
                toHost: "host.test", port: listener.localAddress.port!, families: .ipv4, resolver: resolver, on: loop,
                onEvent: { if case .failed = $0 { loop.closeHandles() } }
            ) { result in
                if case .failure(let error) = result { errors.append(error.error) }
            }
            loop.run()
            #expect(errors == [.canceled])
        }
    }

    @Test("does not begin once the loop has closed everything, although it knows where to go") func begun() throws {
        try withLoop { loop in
            let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            try listener.listen { _, _ in }
            listener.pause()
            var failures: [UVError] = []
            try TCPConnect(toHost: "127.0.0.1", port: listener.localAddress.port!, on: loop) { result in
                if case .failure(let error) = result { failures.append(error.error) }
            }
            loop.closeHandles()
            loop.run()
            #expect(failures == [.canceled])
        }
    }

    @Test(
        "what can be no host or port is thrown",
        arguments: [("", 1), ("a\0b", 1), ("host.test", 0), ("host.test", 65536)])
    func impossible(host: String, port: Int) throws {
        try withLoop { loop in
            #expect(throws: UVError.invalidArgument) {
                try TCPConnect(toHost: host, port: port, on: loop) { _ in Issue.record("it was thrown") }
            }
        }
    }

    private var failing: FakeNames { FakeNames(isOpen: true) { _ in .failure(.unknownName) } }

    private func answering(_ addresses: [String]) throws -> FakeNames {
        let addresses = try addresses.map { try SocketAddress(ip: $0, port: 0) }
        return FakeNames(isOpen: true) { _ in .success(addresses) }
    }

    private func echo(on loop: Loop) throws -> TCPListener {
        let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
        try listener.listen { _, client in
            expectNoError {
                let client = try client.get()
                try client.readStart(
                    onBytes: { $0.write($1) }, onEnd: { stream, _ in stream.shutdown { _ in stream.close() } })
            }
        }
        return listener
    }
}
