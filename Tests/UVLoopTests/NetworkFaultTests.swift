import Libc
import TestSupport
import Testing

@testable import UVLoop

@Suite("Networks at fault") struct NetworkFaultTests {
    // MARK: Shortage

    @Test("10,000 connections to a server that may have 256 descriptors lose nobody") func fewDescriptors() throws {
        try withLoop { loop in
            let server = try Helper("serve-with-few-descriptors", on: loop)
            try run(loop) { server.lines.count == 1 }
            let crowd = Crowd(try .loopback(.ipv4, port: #require(Int(server.lines[0]))), of: 10_000, on: loop)
            try crowd.add(400)
            // The server cannot accept them all, and no client goes before it has found that out.
            try run(loop) { server.lines.count > 1 }
            #expect(server.lines[1] == "full")
            crowd.go()
            try run(loop) { crowd.isDone }
            #expect(crowd.served == 10_000 && crowd.failures == [])
            server.input.close()
            try run(loop) { server.status != nil }
            #expect(server.status == .exited(code: 0), "\(server.lines)")
        }
    }

    // MARK: A queue of clients that is full

    #if os(Linux)
    @Test("a full queue of clients keeps them waiting, and loses nobody") func fullQueue() throws {
        try withLoop { loop in
            let hole = try BlackHole(on: loop)
            var answers: [String] = []
            let clients = try (0..<5).map { number in
                let client = try TCPStream(connectingTo: hole.address, on: loop) { stream, error in
                    #expect(error == nil)
                    expectNoError { try stream.collect { answers.append(String(decoding: $0, as: UTF8.self)) } }
                }
                client.write("client \(number)")
                client.shutdown()
                return client
            }
            loop.run(.noWait)
            #expect(clients.allSatisfy { !$0.isOpen })
            // The clients' systems retry after a second.
            try hole.open()
            try run(loop) { answers.count == 5 }
            #expect(answers.sorted() == (0..<5).map { "client \($0)" })
            hole.close()
        }
    }

    @Test("an address that never answers is passed over, and harms nobody") func blackHole() throws {
        try withLoop { loop in
            let hole = try BlackHole(on: loop)
            let good = try hole.neighbour()
            var events: [TCPConnect.Event] = []
            var winner: SocketAddress?
            try connect(to: [hole.address, good.localAddress], on: loop, onEvent: { events.append($0) }) { result in
                expectNoError { () throws(ConnectError) in
                    let stream = try result.get()
                    winner = try? stream.remoteAddress
                    stream.close()
                }
            }
            try run(loop) { winner != nil }
            #expect(winner == good.localAddress)
            #expect(
                events.dropFirst() == [
                    .trying(hole.address), .trying(good.localAddress), .connected(good.localAddress),
                ])
            good.close()
            hole.close()
        }
    }

    @Test("an address that never answers is given up at the deadline, by its owner, and by the loop") func givesUp()
        throws
    {
        try withLoop { loop in
            let hole = try BlackHole(on: loop)
            var failure: ConnectError?
            try connect(to: [hole.address], within: .milliseconds(30), on: loop) { result in
                if case .failure(let error) = result { failure = error }
            }
            try run(loop) { failure != nil }
            #expect(failure?.error == .timedOut)
            // On a busy machine the look-up alone may take so long.
            let errors = failure?.attempts.map(\.error) ?? []
            #expect(Set(errors).isSubset(of: [.timedOut]))
            var told: [String] = []
            let client = try TCPStream(connectingTo: hole.address, on: loop) { _, error in
                told.append("connect \(error?.name ?? "ok")")
            }
            client.write([1]) { told.append("write \($0?.name ?? "ok")") }
            client.finish(deadline: .milliseconds(20)) { told.append("finish \($0?.name ?? "ok")") }
            try run(loop) { told.count == 3 }
            #expect(told == ["connect ECANCELED", "write ECANCELED", "finish ETIMEDOUT"])
            var canceled: UVError?
            try connect(to: [hole.address], on: loop) { result in
                if case .failure(let error) = result { canceled = error.error }
            }
            loop.run(.noWait)
            loop.closeHandles()
            loop.run()
            #expect(canceled == .canceled)
            hole.close()
        }
    }
    #endif

    // MARK: Names

    @Test("a name service that hangs for one family does not keep the other from being tried") func hungFamily() throws
    {
        try withLoop { loop in
            let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            try listener.listen { _, client in expectNoError { try client.get().close() } }
            let (hung, address) = (FakeNames(), listener.localAddress)
            let service = NameService(
                addresses: { host, families throws(UVError) in
                    families == .ipv6 ? try hung.service.addresses(host, families) : [address]
                }, name: hung.service.name)
            var stream: TCPStream?
            try TCPConnect(
                toHost: "host.test", port: address.port!, resolver: Resolver(service: service), on: loop
            ) { result in stream = expectNoError { () throws(ConnectError) in try result.get() } }
            try run(loop) { stream != nil }
            #expect(try stream?.remoteAddress == address)
            stream?.close()
            listener.close()
            // The loop ends although the look-up still hangs.
            loop.run()
            #expect(hung.hung == 1)
            hung.open()
        }
    }

    // MARK: Addresses that cannot be had

    @Test(
        "an address in use is an error of whoever comes second, and leaves nothing open", arguments: Loopback.allCases)
    func inUse(address: Loopback) throws {
        try withLoop { loop in
            let listener = try TCPListener(bindingTo: address.address, on: loop)
            try listener.listen { _, _ in }
            let datagrams = try UDPSocket(bindingTo: address.address, on: loop)
            let before = loop.openHandles.count
            #expect(throws: UVError.addressInUse) {
                try TCPListener(bindingTo: listener.localAddress, reusePort: true, on: loop)
            }
            #expect(throws: UVError.addressInUse) { try UDPSocket(bindingTo: datagrams.localAddress, on: loop) }
            #expect(throws: UVError.addressInUse) {
                try UDPSocket(bindingTo: datagrams.localAddress, reusePort: true, on: loop)
            }
            // The wildcard address includes the one in use.
            let wildcard = try SocketAddress.any(address == .ipv4 ? .ipv4 : .ipv6, port: listener.localAddress.port!)
            #expect(throws: UVError.addressInUse) { try TCPListener(bindingTo: wildcard, on: loop) }
            var errors: [UVError?] = []
            let other = try TCPListener(bindingTo: address.address, on: loop)
            _ = try TCPStream(connectingTo: listener.localAddress, from: other.localAddress, on: loop) {
                errors.append($1)
            }
            try run(loop) { !errors.isEmpty }
            #expect(errors == [.addressInUse])
            other.close()
            loop.run(.noWait)
            #expect(loop.openHandles.count == before)
            listener.close()
            datagrams.close()
        }
    }

    #if os(Linux)
    @Test(
        "a port below 1024 is refused to who has no right to it",
        .enabled(if: lowPortsArePrivileged, "every port is free here"))
    func lowPort() throws {
        try expectScenario("low-port")
    }

    @Test(
        "networks that are down, unreachable, silent or without a port say so, or are given up",
        .enabled(if: mayHaveNetworks, "network namespaces are not permitted here, or there is no ip"))
    func namespaces() throws {
        let helper = try siblingExecutable("uvloop-test-helper")
        let routes = [
            "ip link set lo up", "ip route add 192.0.2.0/24 dev lo", "ip route add unreachable 198.51.100.0/24",
            "ip route add prohibit 203.0.113.0/24",
        ].joined(separator: " && ")
        let ports = "ip link set lo up && echo 40000 40001 >/proc/sys/net/ipv4/ip_local_port_range"
        let neighbour = [
            "ip link add v0 type veth peer name v1", "ip address add 10.9.0.1/24 dev v0", "ip link set v0 up",
            "ip link set v1 up", "ip route add prohibit 203.0.113.0/24",
        ].joined(separator: " && ")
        let scripts = [
            "'\(helper)' network-without-interfaces", "\(routes) && '\(helper)' network-without-answers",
            "\(ports) && '\(helper)' network-without-ports", "\(neighbour) && '\(helper)' network-with-slow-neighbour",
        ]
        for script in scripts {
            let result = try runProgram("unshare", ["-rn", "sh", "-c", script])
            #expect(result.status == .exited(code: 0), "\(result.output)")
        }
    }
    #endif

    private func connect(
        to addresses: [SocketAddress], within time: Duration = hangTimeout, on loop: Loop,
        onEvent: ((TCPConnect.Event) -> Void)? = nil,
        completion: @escaping (Result<TCPStream, ConnectError>) -> Void,
    ) throws {
        let names = FakeNames(isOpen: true) { _ in .success(addresses) }
        try TCPConnect(
            toHost: "host.test", port: addresses[0].port!, families: .ipv4,
            resolver: Resolver(service: names.service), within: time, on: loop, onEvent: onEvent,
            completion: completion)
    }
}

#if os(Linux)
private let lowPortsArePrivileged: Bool = {
    guard let first = try? Files.read("/proc/sys/net/ipv4/ip_unprivileged_port_start", limit: 100) else { return true }
    return Int(String(decoding: first, as: UTF8.self).filter(\.isNumber)).map { $0 > 80 } ?? true
}()

private let mayHaveNetworks: Bool = {
    let result = try? runProgram("/bin/sh", ["-c", "unshare -rn ip link set lo up"])
    return result?.status == .exited(code: 0)
}()
#endif
