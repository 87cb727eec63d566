import Libc
import TestSupport
import Testing
import UVLoop

@Suite("TCP: connections") struct TCPStreamTests {
    @Test("carry bytes both ways, whole and in order, and end each way by itself", arguments: Loopback.allCases)
    func exchange(address: Loopback) throws {
        try withLoop { loop in
            let (client, server) = try makeTCPPair(on: loop, address)
            let question = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 / 253) }
            var (asked, answered): ([UInt8], [UInt8]) = ([], [])
            try server.readStart(
                onBytes: { _, bytes in bytes.withUnsafeBytes { asked += $0 } },
                onEnd: { stream, error in
                    #expect(error == nil)
                    // The other direction is still open.
                    stream.write(asked.reversed())
                    stream.shutdown { _ in stream.close() }
                })
            try client.collect { answered = $0 }
            client.write(question)
            client.shutdown { #expect($0 == nil) }
            loop.run()
            #expect(asked == question)
            #expect(answered == question.reversed())
        }
    }

    @Test("know their addresses", arguments: Loopback.allCases) func addresses(address: Loopback) throws {
        try withLoop { loop in
            let (client, server) = try makeTCPPair(on: loop, address)
            #expect(try client.localAddress == server.remoteAddress)
            #expect(try client.remoteAddress == server.localAddress)
            #expect(try client.remoteAddress.isLoopback)
            client.close()
            server.close()
            #expect(throws: UVError.notConnected) { try client.localAddress }
        }
    }

    @Test("queue what is written before they are connected, and send it then") func writesEarly() throws {
        try withLoop { loop in
            let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            var got: [UInt8] = []
            var told: [String] = []
            try listener.listen { listener, client in
                expectNoError { try client.get().collect { got = $0 } }
                listener.close()
            }
            let client = try TCPStream(connectingTo: listener.localAddress, on: loop) { _, error in
                told.append("connected \(error == nil)")
            }
            client.write("early") { told.append("written \($0 == nil)") }
            client.shutdown {
                told.append("finished \($0 == nil)")
                client.close()
            }
            #expect(!client.isOpen)
            loop.run()
            #expect(got == Array("early".utf8))
            #expect(told == ["connected true", "written true", "finished true"])
        }
    }

    @Test("to where nobody listens are refused, with everything that was written") func refused() throws {
        try withLoop { loop in
            let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            let address = listener.localAddress
            // The listener is bound but not listening, so that no other socket can have the port.
            var told: [String] = []
            let client = try TCPStream(connectingTo: address, on: loop) { stream, error in
                told.append("connect \(error?.name ?? "ok")")
                #expect(stream.isClosing && !stream.isOpen)
                listener.close()
            }
            client.write([1]) { told.append("write \($0?.name ?? "ok")") }
            client.shutdown { told.append("shutdown \($0?.name ?? "ok")") }
            loop.run()
            #expect(told == ["connect", "write", "shutdown"].map { "\($0) ECONNREFUSED" })
        }
    }

    @Test("are never made with themselves") func selfConnect() throws {
        try withLoop { loop in
            // The client is told to use the port, which the system may happen to choose.
            let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            let address = listener.localAddress
            listener.close()
            loop.run(.noWait)
            var errors: [UVError?] = []
            _ = try TCPStream(connectingTo: address, from: address, on: loop) { errors.append($1) }
            loop.run()
            #expect(errors == [.connectionRefused])
        }
    }

    @Test("that are closed while they connect end as canceled, once", arguments: ["owner", "loop"])
    func canceled(by whom: String) throws {
        try withLoop { loop in
            let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            try listener.listen { _, client in expectNoError { try client.get().close() } }
            var told: [String] = []
            let client = try TCPStream(connectingTo: listener.localAddress, on: loop) { _, error in
                told.append("connect \(error?.name ?? "ok")")
            }
            client.write([1]) { told.append("write \($0?.name ?? "ok")") }
            if whom == "owner" {
                client.close { told.append("closed") }
                listener.close()
            } else {
                client.onCanceled = { told.append("closed") }
                loop.closeHandles()
            }
            loop.run()
            #expect(told == ["connect ECANCELED", "write ECANCELED", "closed"])
        }
    }

    @Test("that cannot be: no address of a unix socket, no address that is not ours") func impossible() throws {
        try withLoop { loop in
            let path = try SocketAddress(unixPath: "/tmp/s")
            #expect(throws: UVError.invalidArgument) {
                try TCPStream(connectingTo: path, on: loop) { _, _ in Issue.record("it was thrown") }
            }
            let four = try SocketAddress.loopback(.ipv4, port: 1)
            #expect(throws: UVError.invalidArgument) {
                try TCPStream(connectingTo: four, from: .loopback(.ipv6, port: 0), on: loop) { _, _ in }
            }
            var error: UVError?
            // The address belongs to a network for documentation only.
            let strange = try SocketAddress(ip: "192.0.2.1", port: 0)
            _ = try TCPStream(connectingTo: four, from: strange, on: loop) { error = $1 }
            loop.run()
            #expect(error == .addressNotAvailable)
        }
    }

    @Test("can be made of a connected socket, and of nothing else") func takesOver() throws {
        try withLoop { loop in
            let (client, server) = try makeTCPPair(on: loop)
            let copy = dup(client.descriptor!)
            client.close()
            loop.run(.noWait)
            let again = try TCPStream(takingOwnershipOf: copy, on: loop)
            var got: [UInt8] = []
            try server.collect { got = $0 }
            again.write("x")
            again.shutdown { _ in again.close() }
            let (reading, writing) = pipePair()
            let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            let datagrams = try UDPSocket(connectingTo: .loopback(.ipv4, port: 9), on: loop)
            let (unix, other) = try makeStreamPair(on: loop)
            let cases: [(Int32, UVError)] = [
                (-1, .badDescriptor), (reading, .notSocket), (listener.descriptor, .notConnected),
                (datagrams.descriptor!, .invalidArgument), (unix.descriptor!, .invalidArgument),
            ]
            for (descriptor, error) in cases {
                #expect(throws: error) { try TCPStream(takingOwnershipOf: descriptor, on: loop) }
            }
            for handle in [listener, datagrams, unix, other] as [Handle] { handle.close() }
            for descriptor in [reading, writing] { close(descriptor) }
            loop.run()
            #expect(got == Array("x".utf8))
        }
    }

    @Test("take options, whose errors are told and harm nothing") func options() throws {
        try withLoop { loop in
            let (client, server) = try makeTCPPair(on: loop)
            try client.setNoDelay(true)
            #expect(option(client, CInt(IPPROTO_TCP), TCP_NODELAY) != 0)
            try client.setNoDelay(false)
            #expect(option(client, CInt(IPPROTO_TCP), TCP_NODELAY) == 0)
            try client.setKeepAlive(idle: .milliseconds(1500), interval: .seconds(7), count: 3)
            #expect(option(client, SOL_SOCKET, SO_KEEPALIVE) != 0)
            #expect(option(client, CInt(IPPROTO_TCP), TCP_KEEPIDLE) == 2)
            #expect(option(client, CInt(IPPROTO_TCP), TCP_KEEPINTVL) == 7)
            #expect(option(client, CInt(IPPROTO_TCP), TCP_KEEPCNT) == 3)
            try client.unsetKeepAlive()
            #expect(option(client, SOL_SOCKET, SO_KEEPALIVE) == 0)
            for (idle, interval, count) in [(0, 1, 1), (40_000, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 128)] {
                #expect(throws: UVError.invalidArgument) {
                    try client.setKeepAlive(idle: .seconds(idle), interval: .seconds(interval), count: count)
                }
            }
            client.close()
            server.close()
            #expect(throws: UVError.notConnected) { try client.setNoDelay(true) }
        }
    }

    @Test("can be reset, before and after they have finished", arguments: [false, true]) func reset(isFinished: Bool)
        throws
    {
        try withLoop { loop in
            let (client, server) = try makeTCPPair(on: loop)
            var ends: [UVError?] = []
            var isReset = false
            if isFinished {
                var hasFinished = false
                client.shutdown { _ in hasFinished = true }
                try run(loop) { hasFinished }
            }
            client.reset { isReset = true }
            try server.readStart(
                onBytes: { _, _ in },
                onEnd: { stream, error in
                    ends.append(error)
                    stream.close()
                })
            loop.run()
            #expect(isReset)
            // The end was sent before the reset, and may have been read.
            #expect(ends == [.connectionReset] || isFinished && ends == [nil])
        }
    }

    private func option(_ stream: TCPStream, _ level: CInt, _ name: CInt) -> CInt {
        var (value, size) = (CInt(-1), socklen_t(MemoryLayout<CInt>.size))
        return getsockopt(stream.descriptor!, level, name, &value, &size) == 0 ? value : -1
    }
}
