import Libc
import TestSupport
import Testing
import UVLoop

@Suite("TCP: listening") struct TCPListenerTests {
    @Test(
        "at port 0 has the port that the system chose, refuses until it listens, and after its close",
        arguments: Loopback.allCases)
    func lifetime(address: Loopback) throws {
        try withLoop { loop in
            let listener = try TCPListener(bindingTo: address.address, on: loop)
            #expect(listener.localAddress.port! > 0)
            #expect(try outcome(of: listener.localAddress, on: loop) == .connectionRefused)
            try listener.listen { _, client in expectNoError { try client.get().close() } }
            #expect(try outcome(of: listener.localAddress, on: loop) == nil)
            listener.close()
            #expect(try outcome(of: listener.localAddress, on: loop) == .connectionRefused)
        }
    }

    @Test("at a port in use says so at once; the port is free again after it was closed") func inUse() throws {
        try withLoop { loop in
            let first = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            try first.listen { listener, client in
                // A connection of the old server waits for late packets if it is closed first.
                expectNoError { try client.get().close() }
                listener.close()
            }
            let address = first.localAddress
            #expect(throws: UVError.addressInUse) { try TCPListener(bindingTo: address, on: loop) }
            _ = try TCPStream(connectingTo: address, on: loop) { stream, _ in
                expectNoError { try stream.collect { _ in } }
            }
            loop.run()
            let second = try TCPListener(bindingTo: address, on: loop)
            #expect(second.localAddress == address)
            second.close()
        }
    }

    @Test("shares a port if both want to, and connections reach both") func reusePort() throws {
        try withLoop { loop in
            let first = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), reusePort: true, on: loop)
            let second = try TCPListener(bindingTo: first.localAddress, reusePort: true, on: loop)
            var counts = [0, 0]
            var connected = 0
            for (index, listener) in [first, second].enumerated() {
                try listener.listen { _, client in
                    counts[index] += 1
                    expectNoError { try client.get().close() }
                }
            }
            for _ in 0..<100 {
                _ = try TCPStream(connectingTo: first.localAddress, on: loop) { stream, error in
                    #expect(error == nil)
                    connected += 1
                    stream.close()
                }
            }
            try run(loop) { connected == 100 && counts[0] + counts[1] == 100 }
            // The kernel chooses by a hash of the addresses; a listener without any of a hundred clients does not
            // happen.
            #expect(counts[0] > 0 && counts[1] > 0)
            first.close()
            second.close()
        }
    }

    @Test("takes IPv4 on an IPv6 address only if told to", .enabled(if: Loopback.hasIPv6), arguments: [false, true])
    func dualStack(isOn: Bool) throws {
        try withLoop { loop in
            let listener = try TCPListener(bindingTo: .any(.ipv6, port: 0), dualStack: isOn, on: loop)
            var peers: [String?] = []
            try listener.listen { _, client in
                expectNoError {
                    let client = try client.get()
                    peers.append(try client.remoteAddress.host)
                    client.close()
                }
            }
            let port = listener.localAddress.port!
            #expect(try outcome(of: .loopback(.ipv4, port: port), on: loop) == (isOn ? nil : .connectionRefused))
            if isOn { try run(loop) { !peers.isEmpty } }
            #expect(peers == (isOn ? ["::ffff:127.0.0.1"] : []))
            listener.close()
        }
    }

    @Test("refuses what makes no sense, or is not ours") func impossible() throws {
        try withLoop { loop in
            let cases: [(SocketAddress, Bool, UVError)] = [
                (try SocketAddress(unixPath: "/tmp/s"), false, .invalidArgument),
                (try .any(.ipv4, port: 0), true, .invalidArgument),
                (try SocketAddress(ip: "192.0.2.1", port: 0), false, .addressNotAvailable),
            ]
            for (address, dualStack, error) in cases {
                #expect(throws: error) { try TCPListener(bindingTo: address, dualStack: dualStack, on: loop) }
            }
            #expect(loop.openHandles.count == 1, "only the watchdog")
        }
    }

    @Test("goes on with a socket from elsewhere, and leaves it open for others") func takesOver() throws {
        try withLoop { loop in
            let first = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            try first.listen { _, _ in }
            let second = try TCPListener(takingOwnershipOf: dup(first.descriptor), on: loop)
            #expect(second.localAddress == first.localAddress && second.isShared)
            first.isShared = true
            first.close()
            var accepted = 0
            try second.listen { _, client in
                accepted += 1
                expectNoError { try client.get().close() }
            }
            #expect(try outcome(of: second.localAddress, on: loop) == nil)
            try run(loop) { accepted == 1 }
            let (client, server) = try makeTCPPair(on: loop)
            let unbound = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            for descriptor in [client.descriptor!, unbound] {
                #expect(throws: UVError.invalidArgument) { try TCPListener(takingOwnershipOf: descriptor, on: loop) }
            }
            close(unbound)
            for handle in [second, client, server] as [Handle] { handle.close() }
        }
    }

    @Test("is not harmed by clients that have gone before they were accepted") func gone() throws {
        try withLoop { loop in
            let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            var (accepted, failures) = (0, 0)
            try listener.listen { _, client in
                do { try client.get().close() } catch { failures += 1 }
                accepted += 1
            }
            listener.pause()
            var left = 30
            for index in 0..<left {
                _ = try TCPStream(connectingTo: listener.localAddress, on: loop) { stream, error in
                    #expect(error == nil)
                    left -= 1
                    if index % 2 == 0 { stream.reset() } else { stream.close() }
                }
            }
            try run(loop) { left == 0 }
            try listener.resume()
            #expect(try outcome(of: listener.localAddress, on: loop) == nil)
            try run(loop) { accepted >= 16 }
            #expect(failures == 0)
            listener.close()
        }
    }

    private func outcome(of address: SocketAddress, on loop: Loop) throws -> UVError? {
        var outcome: UVError??
        _ = try TCPStream(connectingTo: address, on: loop) { stream, error in
            outcome = .some(error)
            stream.close()
        }
        try run(loop) { outcome != nil }
        return outcome!
    }
}
