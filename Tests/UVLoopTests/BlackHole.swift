import Libc
import TestSupport
import Testing
import UVLoop

/// An address of this computer that never answers: its queue of clients is full, and Linux drops further connects.
final class BlackHole {
    private let listener: TCPListener
    private let loop: Loop
    private var first: TCPStream?

    /// Fills the queue, for which it runs the loop.
    init(on loop: Loop) throws {
        self.loop = loop
        // The address is used by nothing else, so that a neighbour can have the same port.
        listener = try TCPListener(bindingTo: SocketAddress(ip: "127.0.0.77", port: 0), backlog: 0, on: loop)
        try listener.listen { _, client in
            expectNoError {
                try client.get().readStart(
                    onBytes: { $0.write($1) }, onEnd: { stream, _ in stream.shutdown { _ in stream.close() } })
            }
        }
        listener.pause()
        let first = try TCPStream(connectingTo: listener.localAddress, on: loop) { _, error in
            precondition(error == nil)
        }
        self.first = first
        try run(loop) { first.isOpen }
    }

    var address: SocketAddress { listener.localAddress }

    /// Returns a server at another address with the same port, which closes its clients.
    func neighbour() throws -> TCPListener {
        let address = try SocketAddress(ip: "127.0.0.78", port: listener.localAddress.port!)
        let neighbour = try TCPListener(bindingTo: address, on: loop)
        try neighbour.listen { _, client in expectNoError { try client.get().close() } }
        return neighbour
    }

    /// Accepts all clients from now on, and sends back their bytes.
    func open() throws {
        precondition(listen(listener.descriptor, 100) == 0)
        try listener.resume()
    }

    func close() {
        first?.close()
        listener.close()
    }
}
