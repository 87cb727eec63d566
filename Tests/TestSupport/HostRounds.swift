public import Testing
import UVLoop

/// Runs a program that hosts an echo server on a loop below another poller, and requires that its rounds are few.
///
/// The program prints its address on its first line, and `rounds N` at its end. A host that runs a round only if there
/// is something to do needs a handful for each message; a host that spins makes thousands while nothing happens.
public func expectFewRounds(_ name: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    try withLoop(sourceLocation: sourceLocation) { loop in
        var output = ""
        var status: ProcessExit?
        let host = try ChildProcess(
            .init(
                executable: BuiltProducts.executable(name), arguments: ["0"], stdio: [.ignore, .pipe, .descriptor(2)]),
            on: loop
        ) { status = $1 }
        host.killWhenCanceled()
        try host.streams[1]?.readStart(
            onBytes: { _, bytes in output += bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } },
            onEnd: { stream, _ in stream.close() })
        try run(loop) { output.hasSuffix("\n") }
        let port = try #require(output.dropLast().split(separator: " ").last.flatMap { Int($0) })
        let address = try SocketAddress.loopback(.ipv4, port: port)
        let (clients, messages) = (3, 20)
        for _ in 0..<clients {
            var answers = 0
            let client = try TCPStream(connectingTo: address, on: loop) { client, error in
                #expect(error == nil, sourceLocation: sourceLocation)
                expectNoError { () throws(UVError) in
                    try client.readStart(
                        onBytes: { client, _ in
                            answers += 1
                            if answers < messages { client.write("\(answers)") }
                        },
                        onEnd: { _, _ in })
                }
            }
            client.write("0")
            try run(loop) { answers == messages }
            client.close()
        }
        // The idle time is long enough for ten thousand rounds.
        var isOver = false
        loop.after(.milliseconds(300)) { isOver = true }
        try run(loop) { isOver }
        try host.kill(.terminate)
        try run(loop) { status != nil && host.streams[1]!.isClosing }
        host.close()
        #expect(status == .exited(code: 0), "\(output)", sourceLocation: sourceLocation)
        let last = output.split(separator: "\n").last?.split(separator: " ")
        let rounds = try #require(last?.first == "rounds" ? last?.last.flatMap { Int($0) } : nil, "\(output)")
        // Connect, end and close take some rounds of their own.
        let most = clients * (messages * 4 + 20) + 20
        #expect(rounds > clients && rounds <= most, "\(rounds) rounds", sourceLocation: sourceLocation)
    }
}
