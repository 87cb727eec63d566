import Program
import UVLoop

/// A room in which every line of one client goes to all others; a client that does not read misses lines, and costs no
/// memory.
@main struct TCPChat {
    static let program = Program(
        """
        usage: tcp-chat [--host HOST] PORT

        Sends each line of a client to all other clients. A client that does not read misses lines, and is told how
        many. A line of more than 4096 bytes ends its client. For example: nc 127.0.0.1 PORT

          HOST   the address to listen on, 127.0.0.1 unless said; PORT: 0 lets the system choose

        The first line of output is "listening on ADDRESS PORT". SIGTERM ends it in order.

        exit status: 0 ended by SIGTERM, 1 it cannot listen, 64 wrong usage
        """)

    final class Guest {
        let stream: TCPStream
        var line: ArraySlice<UInt8> = []
        var missed = 0
        init(_ stream: TCPStream) { self.stream = stream }
    }

    static func main() throws {
        let address = program.address
        let loop = try Loop()
        do { try serve(address, on: loop) } catch { program.fail("cannot listen on \(address): \(error)") }
        loop.run()
        try loop.close()
    }

    static func serve(_ address: SocketAddress, on loop: Loop) throws {
        let listener = try TCPListener(bindingTo: address, on: loop)
        var guests: [ObjectIdentifier: Guest] = [:]
        try listener.listen { _, client in
            guard let stream = try? client.get() else { return }
            let guest = Guest(stream)
            let leave = { stream.close { guests[ObjectIdentifier(guest)] = nil } }
            guests[ObjectIdentifier(guest)] = guest
            stream.onWriteError = { _, _ in leave() }
            stream.onDrain = { stream in
                if guest.missed > 0, !stream.isShutDown { stream.write("* \(guest.missed) lines were missed\n") }
                guest.missed = 0
            }
            try? stream.readStart(
                onBytes: { _, bytes in
                    bytes.withUnsafeBytes { guest.line += $0 }
                    while let end = guest.line.prefix(4097).firstIndex(of: 10) {
                        let line = Array(guest.line[...end])
                        guest.line = guest.line[(end + 1)...]
                        for other in guests.values where other !== guest { pass(line, to: other) }
                    }
                    if guest.line.count > 4096 { leave() }
                }, onEnd: { _, _ in leave() })
        }
        let signal = try SignalHandle(on: loop)
        try signal.start(.terminate, once: true) { signal, _ in
            signal.close()
            listener.close()
            for guest in guests.values { guest.stream.finish(deadline: .seconds(2)) }
        }
        program.say("listening on \(listener.localAddress.host!) \(listener.localAddress.port!)")
    }

    static func pass(_ line: [UInt8], to guest: Guest) {
        guard guest.stream.isOpen, !guest.stream.isShutDown else { return }
        if guest.stream.queuedByteCount < guest.stream.highWaterMark {
            guest.stream.write(line)
        } else {
            guest.missed += 1
        }
    }
}
