import Glibc
import UVKeeper

/// The servers that the C peer's `load.c` measures: the first line of output is the port, on 127.0.0.1, and the end of
/// standard input ends the server. The kinds are those of the C peer, `Peers/c/servers.c`.
enum NetworkServers {
    static func run(_ kind: String) throws {
        let loop = try Loop()
        let input = try PipeStream(takingOwnershipOf: STDIN_FILENO, on: loop)
        // The server ends by `exit`, not by a signal, so that the allocation counter reports.
        try input.readStart(onBytes: { _, _ in }, onEnd: { _, _ in exit(0) })
        let address = try SocketAddress.loopback(.ipv4, port: 0)
        let local: SocketAddress
        if kind == "udp-echo" {
            let socket = try UDPSocket(bindingTo: address, on: loop)
            // A message that the kernel does not take is dropped, which the load reports.
            try socket.receiveStart(onMessage: { socket, bytes, message in
                do { _ = try socket.trySend(bytes, to: message.sender) } catch { fail("\(error)") }
            })
            local = try socket.localAddress
        } else {
            let serve = try server(kind)
            let listener = try TCPListener(bindingTo: address, on: loop)
            try listener.listen { _, client in
                do {
                    let client = try client.get()
                    try client.setNoDelay(true)
                    try serve(client)
                } catch {
                    fail("\(error)")
                }
            }
            local = listener.localAddress
        }
        print(local.port!)
        fflush(nil)
        loop.run()
    }

    private static func server(_ kind: String) throws -> (TCPStream) throws -> Void {
        switch kind {
        case "tcp-echo": echo
        case "tcp-sink": discard
        case "tcp-source": send
        default: fail("no such server: \(kind)")
        }
    }

    /// Sends back the bytes of the client; a client that does not read is not read either.
    private static func echo(_ client: TCPStream) throws {
        client.onDrain = { client in
            do { try client.readResume() } catch { fail("\(error)") }
        }
        try client.readStart(
            onBytes: { client, bytes in
                if !client.write(bytes) { client.readStop() }
            },
            onEnd: { client, _ in client.close() })
    }

    private static func discard(_ client: TCPStream) throws {
        try client.readStart(onBytes: { _, _ in }, onEnd: { client, _ in client.close() })
    }

    /// Sends 64 KiB for each byte of the client.
    private static func send(_ client: TCPStream) throws {
        let chunk = [UInt8](repeating: 0x78, count: 65536)
        var left = 0
        func pump(_ client: Stream) {
            while left > 0 {
                left -= 1
                guard client.write(chunk) else { return }
            }
        }
        client.highWaterMark = 1
        client.onDrain = pump
        try client.readStart(
            onBytes: { client, bytes in
                left += bytes.byteCount
                if client.queuedByteCount == 0 { pump(client) }
            },
            onEnd: { client, _ in client.close() })
    }
}
