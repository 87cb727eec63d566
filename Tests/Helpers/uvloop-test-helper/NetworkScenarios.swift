import Libc
import UVLoop

/// Gives every client back what it sends, with room for few clients at a time; ends at the end of standard input.
func serveWithFewDescriptors() throws {
    setDescriptorLimit(256)
    let loop = try Loop()
    let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
    try listener.listen { _, client in
        switch client {
        case .success(let client): echo(client)
        case .failure(let error):
            require(error == .tooManyOpenFiles, "\(error)")
            write("full")
        }
    }
    // A copy, which is made non-blocking.
    let input = try PipeStream(takingOwnershipOf: dup(0), on: loop)
    try input.readStart(onBytes: { _, _ in }, onEnd: { _, _ in loop.closeHandles() })
    write("\(listener.localAddress.port!)")
    loop.run()
    try end(loop)
}

private func echo(_ client: TCPStream) {
    do throws(UVError) {
        try client.readStart(
            onBytes: { $0.write($1) },
            onEnd: { stream, error in
                require(error == nil, "\(String(describing: error))")
                stream.shutdown { _ in stream.close() }
            })
    } catch {
        fail("\(error)")
    }
}

/// In a network namespace in which not even the loopback interface is up: everything says so, and leaves nothing open.
func networkWithoutInterfaces() throws {
    let loop = try Loop()
    let here = try SocketAddress.loopback(.ipv4, port: 80)
    require(try outcome(of: here, on: loop) == .networkUnreachable, "TCP")
    let failure = try failure(toReach: [here], on: loop)
    require(failure?.error == .networkUnreachable && failure?.attempts.count == 1, "\(String(describing: failure))")
    let socket = try UDPSocket(bindingTo: .any(.ipv4, port: 0), on: loop)
    var errors: [UVError?] = []
    socket.send([1], to: here) { errors.append($0) }
    try run(loop) { errors.count == 1 }
    require(errors == [.networkUnreachable], "\(errors)")
    socket.close()
    loop.run(.noWait)
    require(loop.openHandles.isEmpty, "\(loop.openHandles)")
    try end(loop)
}

/// In a network namespace whose routes swallow packets (192.0.2.0/24), or say why they cannot go on.
func networkWithoutAnswers() throws {
    let loop = try Loop()
    let hole = try SocketAddress(ip: "192.0.2.1", port: 80)
    let refusals: [(String, UVError)] = [
        ("198.51.100.1", .hostUnreachable), ("203.0.113.1", .accessDenied), ("8.8.8.8", .networkUnreachable),
    ]
    for (host, error) in refusals {
        let outcome = try outcome(of: SocketAddress(ip: host, port: 80), on: loop)
        require(outcome == error, "\(host): \(String(describing: outcome))")
    }
    // Nothing comes at all, until the deadline.
    let silent = try failure(toReach: [hole], within: .milliseconds(50), on: loop)
    // The look-up alone may take so long.
    let errors = Set(silent?.attempts.map(\.error) ?? [])
    require(silent?.error == .timedOut && errors.isSubset(of: [.timedOut]), "\(String(describing: silent))")
    // One that is given up by its owner.
    var told: [String] = []
    let stream = try TCPStream(connectingTo: hole, on: loop) { told.append("connect \($1?.name ?? "ok")") }
    stream.write([1]) { told.append("write \($0?.name ?? "ok")") }
    stream.finish(deadline: .milliseconds(20)) { told.append("finish \($0?.name ?? "ok")") }
    try run(loop) { told.count == 3 }
    require(told == ["connect ECANCELED", "write ECANCELED", "finish ETIMEDOUT"], "\(told)")
    // Behind the others there is one that answers.
    let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 80), on: loop)
    try listener.listen { _, client in
        if case .success(let client) = client { client.close() }
    }
    let addresses = try [hole, .init(ip: "198.51.100.1", port: 80), listener.localAddress]
    let success = try failure(toReach: addresses, on: loop)
    require(success == nil, "\(String(describing: success))")
    listener.close()
    try end(loop)
}

/// In a network namespace that has two ports to connect from: a third connection is an error of its own.
func networkWithoutPorts() throws {
    let loop = try Loop()
    let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 80), on: loop)
    var accepted: [TCPStream] = []
    try listener.listen { _, client in
        if case .success(let client) = client { accepted.append(client) }
    }
    var outcomes: [UVError?] = []
    let clients = try (0..<3).map { _ in
        try TCPStream(connectingTo: listener.localAddress, on: loop) { outcomes.append($1) }
    }
    try run(loop) { outcomes.count == 3 && accepted.count == 2 }
    require(outcomes.filter { $0 == nil }.count == 2, "\(outcomes)")
    require(outcomes.contains(.addressNotAvailable), "\(outcomes)")
    // A reset leaves no port behind that waits for late packets.
    for client in clients where client.isOpen { client.reset() }
    loop.run(.noWait)
    var again: UVError??
    _ = try TCPStream(connectingTo: listener.localAddress, on: loop) { again = .some($1) }
    try run(loop) { again != nil }
    require(again! == nil, "\(String(describing: again))")
    try end(loop)
}

/// In a network namespace with a neighbour whose place is not known at first: messages to it wait, and fill the socket's own
/// buffer. Each that waits has an outcome of its own.
func networkWithSlowNeighbour() throws {
    let loop = try Loop()
    let neighbour = try SocketAddress(ip: "10.9.0.2", port: 9)
    let socket = try UDPSocket(bindingTo: .any(.ipv4, port: 0), on: loop)
    var size: CInt = 1
    require(setsockopt(socket.descriptor!, SOL_SOCKET, SO_SNDBUF, &size, 4) == 0, "SO_SNDBUF")
    socket.highWaterMark = 10_000
    var drains = 0
    socket.onDrain = { _ in drains += 1 }
    var outcomes: [Int: UVError?] = [:]
    var count = 0
    func send(_ length: Int, to address: SocketAddress) -> Bool {
        let number = count
        count += 1
        return socket.send([UInt8](repeating: 1, count: length), to: address) { error in
            require(outcomes.updateValue(error, forKey: number) == nil, "\(number) twice")
        }
    }
    while send(1000, to: neighbour) { require(count < 100, "no mark") }
    require(socket.queuedByteCount >= 10_000 && socket.queuedMessageCount >= 10, "\(socket.queuedByteCount)")
    require(try !socket.trySend([1].span.bytes, to: neighbour), "it overtook")
    let failures: [Int: UVError] = [count: .messageTooLong, count + 2: .accessDenied]
    let prohibited = try SocketAddress(ip: "203.0.113.1", port: 9)
    for (length, address) in [
        (UDPSocket.maximumMessageLength + 1, neighbour), (10, neighbour), (10, prohibited), (10, neighbour),
        (10, neighbour),
    ] {
        require(!send(length, to: address), "above the mark")
    }
    require(outcomes.isEmpty && drains == 0, "a callback within the call")
    require(system("ip neighbour replace 10.9.0.2 lladdr 02:00:00:00:00:01 dev v0") == 0, "ip")
    try run(loop) { outcomes.count == count }
    for (number, error) in outcomes { require(error == failures[number], "\(number): \(String(describing: error))") }
    try run(loop) { drains > 0 }
    require(drains == 1 && socket.queuedByteCount == 0, "\(drains)")
    require(try socket.trySend([1].span.bytes, to: neighbour), "there is room")
    // What waits when it closes is canceled, once.
    require(system("ip neighbour delete 10.9.0.2 dev v0") == 0, "ip")
    while send(1000, to: neighbour) { require(count < 200, "no mark") }
    let waiting = socket.queuedMessageCount
    socket.close()
    loop.run()
    require(outcomes.count == count, "\(outcomes.count) of \(count)")
    require(outcomes.values.filter { $0 == .canceled }.count == waiting, "\(outcomes)")
    try end(loop)
}

/// A port below 1024 without the right to it.
func lowPort() throws {
    if geteuid() == 0 { require(setgid(65534) == 0 && setuid(65534) == 0, "setuid") }
    let loop = try Loop()
    for family in [SocketAddress.Family.ipv4, .ipv6] {
        let address = try SocketAddress.any(family, port: 80)
        for isTCP in [true, false] {
            do throws(UVError) {
                if isTCP {
                    _ = try TCPListener(bindingTo: address, on: loop)
                } else {
                    _ = try UDPSocket(bindingTo: address, on: loop)
                }
                fail("\(address) was given to nobody")
            } catch {
                require(error == .accessDenied || error == .addressFamilyNotSupported, "\(error)")
            }
        }
    }
    loop.run()
    require(loop.openHandles.isEmpty, "\(loop.openHandles)")
    try end(loop)
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

/// Connects to a host with these addresses.
private func failure(
    toReach addresses: [SocketAddress], within time: Duration = .seconds(60), on loop: Loop,
) throws -> ConnectError? {
    let service = NameService(
        addresses: { _, _ in addresses }, name: { _ throws(UVError) in throw .unknownName })
    var result: Result<TCPStream, ConnectError>?
    try TCPConnect(
        toHost: "host.test", port: 80, families: .ipv4, resolver: Resolver(service: service), within: time, on: loop
    ) { result = $0 }
    try run(loop) { result != nil }
    switch result! {
    case .success(let stream):
        stream.close()
        return nil
    case .failure(let error): return error
    }
}
