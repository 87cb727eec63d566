import Program
import UVLoop

/// A socket that sends every message back to its sender.
@main struct UDPEcho {
    static let program = Program(
        """
        usage: udp-echo [--host HOST] PORT

        Sends every datagram back to its sender. While the system takes no more, none is received.

          HOST   the address to be bound to, 127.0.0.1 unless said; 0.0.0.0 or :: for everybody
          PORT   0 to 65535; 0 lets the system choose

        The first line of output is "listening on ADDRESS PORT". SIGTERM ends it, when what is queued has been sent.

        exit status: 0 ended by SIGTERM, 1 the port cannot be had, 64 wrong usage
        """)

    static func main() throws {
        let address = program.address
        let loop = try Loop()
        do { try serve(address, on: loop) } catch { program.fail("cannot be bound to \(address): \(error)") }
        loop.run()
        try loop.close()
    }

    static func serve(_ address: SocketAddress, on loop: Loop) throws {
        let socket = try UDPSocket(bindingTo: address, on: loop)
        var isEnding = false
        try receive(on: socket)
        socket.onDrain = { socket in
            if isEnding { socket.close() } else { try? receive(on: socket) }
        }
        let signal = try SignalHandle(on: loop)
        try signal.start(.terminate, once: true) { signal, _ in
            signal.close()
            socket.receiveStop()
            isEnding = true
            if socket.queuedMessageCount == 0 { socket.close() }
        }
        let local = try socket.localAddress
        program.say("listening on \(local.host!) \(local.port!)")
    }

    static func receive(on socket: UDPSocket) throws {
        try socket.receiveStart(onMessage: { socket, bytes, message in
            if !socket.send(bytes, to: message.sender) { socket.receiveStop() }
        })
    }
}
