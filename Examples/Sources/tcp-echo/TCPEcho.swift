import Program
import UVLoop

/// A server that sends all bytes back: accepting, back-pressure, half-close, and an end in order.
@main struct TCPEcho {
    static let program = Program(
        """
        usage: tcp-echo [--host HOST] PORT

        Sends back to every client what it sends. A client that does not read is not read either.

          HOST   the address to listen on, 127.0.0.1 unless said; 0.0.0.0 or :: for everybody
          PORT   0 to 65535; 0 lets the system choose

        The first line of output is "listening on ADDRESS PORT". SIGTERM ends it in order: clients have five seconds to
        finish.

        exit status: 0 ended by SIGTERM, 1 it cannot listen, 64 wrong usage
        """)

    static func main() throws {
        let address = program.address
        let loop = try Loop()
        do { try serve(address, on: loop) } catch { program.fail("cannot listen on \(address): \(error)") }
        loop.run()
        try loop.close()
    }

    static func serve(_ address: SocketAddress, on loop: Loop) throws {
        let listener = try TCPListener(bindingTo: address, on: loop)
        var clients: [ObjectIdentifier: TCPStream] = [:]
        try listener.listen { _, client in
            // If descriptors have run out, clients wait, and are accepted later.
            guard let client = try? client.get() else { return }
            clients[ObjectIdentifier(client)] = client
            echo(client) { clients[ObjectIdentifier(client)] = nil }
        }
        let signal = try SignalHandle(on: loop)
        try signal.start(.terminate, once: true) { signal, _ in
            signal.close()
            listener.close()
            for client in clients.values { client.finish(deadline: .seconds(5)) }
        }
        program.say("listening on \(listener.localAddress.host!) \(listener.localAddress.port!)")
    }

    static func echo(_ client: TCPStream, _ ended: @escaping () -> Void) {
        let end = { client.close(ended) }
        client.onDrain = { try? $0.readResume() }
        client.onWriteError = { _, _ in end() }
        do {
            try client.readStart(
                onBytes: { client, bytes in
                    // Bytes that come after SIGTERM are not sent back.
                    if !client.isShutDown, !client.write(bytes) { client.readStop() }
                },
                onEnd: { client, error in
                    if error == nil, client.writeError == nil { client.shutdown { _ in end() } } else { end() }
                })
        } catch {
            end()
        }
    }
}
