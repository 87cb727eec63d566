import Libc
import TestSupport
import Testing
import UVLoop

@Suite("UDP") struct UDPSocketTests {
    @Test("carries messages whole, empty ones too, with their senders", arguments: Loopback.allCases)
    func exchange(address: Loopback) throws {
        try withLoop { loop in
            let one = try UDPSocket(bindingTo: address.address, on: loop)
            let other = try UDPSocket(bindingTo: address.address, on: loop)
            let lengths = [0, 1, 1000, 60_000]
            var got: [(length: Int, sender: SocketAddress?, isTruncated: Bool)] = []
            try other.receiveStart { socket, bytes, message in
                got.append((bytes.byteCount, message.sender, message.isTruncated))
                // A datagram may be lost, though hardly here: each is sent when the one before has come.
                if got.count == lengths.count { socket.close() } else { sendNext() }
            }
            func sendNext() {
                let message = [UInt8](repeating: 7, count: lengths[got.count])
                expectNoError { one.send(message, to: try other.localAddress) { #expect($0 == nil) } }
            }
            sendNext()
            try run(loop) { got.count == lengths.count }
            #expect(got.map(\.length) == lengths)
            let sender = try one.localAddress
            #expect(got.allSatisfy { $0.sender == sender && !$0.isTruncated })
            one.close()
        }
    }

    @Test("gives many messages that came together one by one, and none after its close", arguments: [false, true])
    func batch(closes: Bool) throws {
        try withLoop { loop in
            let one = try UDPSocket(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            let other = try UDPSocket(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            var sent = 0
            for number in 0..<40 where try one.trySend([UInt8(number)].span.bytes, to: other.localAddress) { sent += 1 }
            #expect(sent == 40)
            var got: [UInt8] = []
            try other.receiveStart { socket, bytes, _ in
                bytes.withUnsafeBytes { got += $0 }
                if closes, got.count == 3 { socket.close() }
            }
            try run(loop) { got.count == (closes ? 3 : 40) }
            loop.run(.noWait)
            #expect(got == (0..<(closes ? 3 : 40)).map { UInt8($0) })
            one.close()
            other.close()
        }
    }

    @Test("stopped in the middle of what came together, begins with the rest when it is started again")
    func stopped() throws {
        try withLoop { loop in
            let one = try UDPSocket(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            let other = try UDPSocket(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            for number in 0..<40 { #expect(try one.trySend([UInt8(number)].span.bytes, to: other.localAddress)) }
            var (got, isWithin) = ([UInt8](), false)
            func start() throws(UVError) {
                isWithin = true
                try other.receiveStart { socket, bytes, _ in
                    #expect(!isWithin, "a callback within the call")
                    bytes.withUnsafeBytes { got += $0 }
                    guard got.count % 3 == 0 else { return }
                    socket.receiveStop()
                    loop.onNextTick { expectNoError(start) }
                }
                isWithin = false
            }
            try start()
            try run(loop) { got.count == 40 }
            #expect(got == (0..<40).map { UInt8($0) })
            one.close()
            other.close()
        }
    }

    @Test("connected, hears of nobody else, and learns that nobody listens") func connected() throws {
        try withLoop { loop in
            let server = try UDPSocket(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            let client = try UDPSocket(connectingTo: server.localAddress, on: loop)
            let stranger = try UDPSocket(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            #expect(try client.remoteAddress == server.localAddress)
            var got: [UInt8] = []
            var errors: [UVError] = []
            try client.receiveStart(
                onMessage: { _, bytes, _ in bytes.withUnsafeBytes { got += $0 } },
                onError: { _, error in errors.append(error) })
            try server.receiveStart { socket, bytes, message in
                stranger.send([9], to: try? client.localAddress)
                socket.send(bytes, to: message.sender)
            }
            client.send([1])
            try run(loop) { !got.isEmpty }
            #expect(got == [1])
            // An address is wrong for the connected socket, and missing for the other.
            var outcomes: [UVError?] = []
            client.send([1], to: try server.localAddress) { outcomes.append($0) }
            stranger.send([1]) { outcomes.append($0) }
            try run(loop) { outcomes.count == 2 }
            #expect(outcomes == [.alreadyConnected, .notConnected])
            server.close()
            loop.run(.noWait)
            client.send([2])
            try run(loop) { !errors.isEmpty }
            #expect(errors == [.connectionRefused])
            try client.disconnect()
            #expect(throws: UVError.notConnected) { try client.remoteAddress }
            client.close()
            stranger.close()
        }
    }

    @Test("keeps its port when it is connected anew, and when it is disconnected", arguments: Loopback.allCases)
    func reconnected(address: Loopback) throws {
        try withLoop { loop in
            let one = try UDPSocket(bindingTo: address.address, on: loop)
            let other = try UDPSocket(bindingTo: address.address, on: loop)
            for isAny in [false, true] {
                let here = try isAny ? SocketAddress.any(address.address.family, port: 0) : address.address
                let socket = try UDPSocket(bindingTo: here, on: loop)
                let port = try socket.localAddress.port!
                try socket.connect(to: one.localAddress)
                try socket.connect(to: other.localAddress)
                #expect(try socket.localAddress.port == port)
                try socket.disconnect()
                #expect(try socket.localAddress == here.withPort(port))
                var senders: [SocketAddress?] = []
                try socket.receiveStart { senders.append($2.sender) }
                one.send([1], to: try address.address.withPort(port))
                other.send([1], to: try address.address.withPort(port))
                try run(loop) { senders.count == 2 }
                #expect(try Set(senders) == [one.localAddress, other.localAddress])
                socket.close()
            }
            one.close()
            other.close()
        }
    }

    @Test("that is too long for a datagram is an error of its own") func tooLong() throws {
        try withLoop { loop in
            let socket = try UDPSocket(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            let target = try socket.localAddress
            var outcomes: [UVError?] = []
            socket.send([UInt8](repeating: 0, count: UDPSocket.maximumMessageLength + 1), to: target) {
                outcomes.append($0)
            }
            socket.send([1], to: target) { outcomes.append($0) }
            try run(loop) { outcomes.count == 2 }
            #expect(outcomes == [.messageTooLong, nil])
            socket.close()
        }
    }

    @Test("a closed socket's messages end as canceled, once", arguments: ["owner", "loop"])
    func canceled(by whom: String) throws {
        try withLoop { loop in
            let socket = try UDPSocket(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            let target = try socket.localAddress
            var told: [String] = []
            socket.onCanceled = { told.append("canceled") }
            if whom == "owner" { socket.close { told.append("closed") } } else { loop.closeHandles() }
            if whom == "loop" { socket.send([1], to: target) { told.append($0?.name ?? "ok") } }
            loop.run()
            #expect(told.sorted() == (whom == "owner" ? ["closed"] : ["ECANCELED", "canceled"]))
        }
    }

    @Test("keeps its port to itself, also from who would share it") func reusing() throws {
        try withLoop { loop in
            let socket = try UDPSocket(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            for reusePort in [false, true] {
                #expect(throws: UVError.addressInUse) {
                    try UDPSocket(bindingTo: socket.localAddress, reusePort: reusePort, on: loop)
                }
            }
            socket.close()
        }
    }

    @Test("reaches the members of a group") func multicast() throws {
        try withLoop { loop in
            let group = try SocketAddress(ip: "239.255.77.1", port: 1)
            let interface = try SocketAddress.loopback(.ipv4, port: 0)
            let first = try UDPSocket(bindingTo: .any(.ipv4, port: 0), reusePort: true, on: loop)
            let address = try SocketAddress.any(.ipv4, port: first.localAddress.port!)
            let second = try UDPSocket(bindingTo: address, reusePort: true, on: loop)
            var got = [0, 0]
            for (index, socket) in [first, second].enumerated() {
                try socket.join(group, interface: interface)
                #expect(throws: UVError.addressInUse) { try socket.join(group, interface: interface) }
                try socket.receiveStart { _, _, _ in got[index] += 1 }
            }
            let sender = try UDPSocket(bindingTo: .any(.ipv4, port: 0), on: loop)
            try sender.setMulticastInterface(interface)
            try sender.setMulticastTTL(1)
            try sender.setMulticastLoop(true)
            sender.send([1], to: try group.withPort(address.port!)) { #expect($0 == nil) }
            try run(loop) { got == [1, 1] }
            try second.leave(group, interface: interface)
            #expect(throws: UVError.addressNotAvailable) { try second.leave(group, interface: interface) }
            for range in [0, 256] {
                #expect(throws: UVError.invalidArgument) { try sender.setTTL(range) }
                #expect(throws: UVError.invalidArgument) { try sender.setMulticastTTL(range) }
            }
            #expect(throws: UVError.invalidArgument) { try first.join(SocketAddress(unixPath: "/s")) }
            for socket in [first, second, sender] { socket.close() }
        }
    }

    @Test("may broadcast only if told to") func broadcast() throws {
        try withLoop { loop in
            let socket = try UDPSocket(bindingTo: .any(.ipv4, port: 0), on: loop)
            let everybody = try SocketAddress(ip: "255.255.255.255", port: 9)
            #expect(throws: UVError.accessDenied) { try socket.trySend([1].span.bytes, to: everybody) }
            try socket.setBroadcast(true)
            // A computer without a network reports another error.
            do throws(UVError) { _ = try socket.trySend([1].span.bytes, to: everybody) } catch {
                #expect(error == .networkUnreachable)
            }
            socket.close()
        }
    }
}
