public import Program
public import UVLoop

/// The content of the hosts' loops: a TCP server that sends everything back, and SIGTERM, which ends it.
public final class HostedEcho {
    /// Called once SIGTERM has come and everything is closed.
    public var onEnd: () -> Void = {}
    /// How many rounds the loop has run.
    public var rounds: () -> Int = { 0 }

    /// Listens on a port of this computer, and reports it on the first line of output.
    public init(_ program: Program, on loop: Loop) throws {
        let listener = try TCPListener(bindingTo: program.address, on: loop)
        try listener.listen { _, client in
            guard let client = try? client.get() else { return }
            client.onDrain = { try? $0.readResume() }
            try? client.readStart(
                onBytes: { client, bytes in
                    if !client.write(bytes) { client.readStop() }
                },
                onEnd: { client, _ in client.shutdown { _ in client.close() } })
        }
        let signal = try SignalHandle(on: loop)
        try signal.start(.terminate, once: true) { [unowned self] _, _ in
            loop.closeHandles()
            loop.onNextTick { [self] in
                program.say("rounds \(rounds())")
                onEnd()
            }
        }
        program.say("listening on \(listener.localAddress.host!) \(listener.localAddress.port!)")
    }
}
