import Libc
import Testing
import UVKeeper

/// A stand-in for a keeper's socket, in this process, whose behaviour a test decides.
final class Listener {
    enum Behaviour {
        /// Reads everything, closes at the end: confirms, as a keeper does.
        case confirm
        /// Closes when the first bytes are there, unread: the client sees a reset.
        case reset
        /// Closes as soon as it is connected.
        case drop
        /// Never reads.
        case hold
    }

    let path: String
    var behaviour: Behaviour
    private(set) var connections = 0
    private(set) var bytes: [UInt8] = []
    private let listener: PipeListener
    private let world: World
    private var clients: [PipeStream] = []

    init(_ behaviour: Behaviour, at path: String, backlog: Int = 511, in world: World) throws {
        self.behaviour = behaviour
        self.path = path
        self.world = world
        listener = world.owned(try PipeListener(bindingTo: path, on: world.loop))
        try listener.listen(backlog: backlog) { _, result in
            if case .success(let client) = result { self.accepted(client) }
        }
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    func pause() { listener.pause() }
    func resume() throws { try listener.resume() }

    /// Takes the socket away, file and all.
    func remove() throws {
        listener.close()
        try Files.unlinkIfPresent(path)
        for client in clients { client.close() }
    }

    /// What was held is read and confirmed.
    func release() throws {
        behaviour = .confirm
        for client in clients { try read(client) }
    }

    private func accepted(_ client: PipeStream) {
        connections += 1
        clients.append(world.owned(client))
        do {
            switch behaviour {
            case .confirm: try read(client)
            case .drop: client.close()
            case .hold: break
            case .reset:
                let timer = world.owned(TimerHandle(on: world.loop))
                timer.start(after: .milliseconds(1), repeating: .milliseconds(1)) { timer in
                    guard client.hasUnreadBytes else { return }
                    client.close()
                    timer.close()
                }
            }
        } catch {
            Issue.record(error)
        }
    }

    private func read(_ client: PipeStream) throws(UVError) {
        try client.readStart(
            onBytes: { _, span in span.withUnsafeBytes { self.bytes += $0 } },
            onEnd: { stream, _ in stream.close() },
        )
    }
}

extension PipeStream {
    /// Bytes wait to be read, or the stream is closed.
    fileprivate var hasUnreadBytes: Bool {
        guard let descriptor else { return true }
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, CInt(MSG_PEEK) | CInt(MSG_DONTWAIT)) != -1
    }
}
