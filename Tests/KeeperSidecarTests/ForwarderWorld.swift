import KeeperProtocol
import Libc
import TestSupport
import Testing
import UVLoop

@testable import KeeperSidecar

/// A forwarder within the test: the child is the other end of a pipe, each client the other end of a socket pair.
final class ForwarderWorld {
    let loop: Loop
    let forwarder: LineForwarder
    let listener: PipeListener
    private let child: Int32
    private(set) var childHasEnded = false
    var onStdinClosed: ((UVError) -> Void)?
    private(set) var received: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 65536)

    /// - Parameter directory: for the listener's socket and the log.
    init(_ limits: LineLimits, in directory: String, on loop: Loop) throws {
        self.loop = loop
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0, "pipe: \(errno)")
        child = ends[0]
        ForwarderWorld.setNonBlocking(child)
        listener = try PipeListener(bindingTo: "\(directory)/s", on: loop)
        ForwarderWorld.setNonBlocking(ends[1])
        let input = try ChildInput(OwnedDescriptor(ends[1]), on: loop)
        forwarder = LineForwarder(
            input: input, listener: listener, limits: limits,
            budget: ClientBudget(pendingLimit: limits.pendingByteCount),
            log: try KeeperLog(path: "\(directory)/log", maximumBytes: 1 << 20))
        input.onProgress = { [forwarder] in forwarder.progressed() }
        input.onClosed = { [weak self, forwarder] error in
            forwarder.breakDown()
            if let error { self?.onStdinClosed?(error) }
        }
        try listener.listenForDescriptors { [forwarder] _, result in
            switch result {
            case .success(let client): forwarder.add(client)
            case .failure(let error): Issue.record(error)
            }
        }
    }

    private static func setNonBlocking(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    /// Ends the forwarder as a session's end does.
    func close() {
        forwarder.abandonStdin(childHasEnded: true)
        forwarder.close()
        listener.close()
        if !childHasEnded { closeChild() }
    }

    // MARK: The child

    /// Reads what has come, at most so many bytes.
    func read(_ limit: Int = .max) {
        var left = limit
        while left > 0, !childHasEnded {
            let result = buffer.withUnsafeMutableBytes {
                Descriptors.receive(from: child, into: .init(rebasing: $0[..<min(left, $0.count)]))
            }
            guard case .bytes(let count) = result else {
                if case .end = result { closeChild() }
                return
            }
            received += buffer[..<count]
            left -= count
        }
    }

    /// The child's stdin is not read any more.
    func closeChild() {
        childHasEnded = true
        OwnedDescriptor(child).close()
    }

    var text: String { String(decoding: received, as: UTF8.self) }

    /// Runs the loop, and has the child read, until `condition` holds.
    func runReading(until condition: () throws -> Bool) throws {
        try run(loop) {
            read()
            return try condition()
        }
    }

    // MARK: Clients

    /// One client's end of its connection.
    final class Client {
        let descriptor: Int32
        private var isClosed = false

        init(_ descriptor: Int32) { self.descriptor = descriptor }

        deinit { close() }

        func close() {
            guard !isClosed else { return }
            isClosed = true
            OwnedDescriptor(descriptor).close()
        }

        /// Sends as much as the connection takes.
        ///
        /// - Returns: how many bytes that were.
        @discardableResult
        func send(_ bytes: [UInt8]) -> Int {
            var sent = 0
            while sent < bytes.count {
                let count = bytes.withUnsafeBytes {
                    Libc.send(
                        descriptor, $0.baseAddress! + sent, bytes.count - sent,
                        Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { break }
                sent += count
            }
            return sent
        }

        @discardableResult
        func send(_ text: String) -> Int { send(Array(text.utf8)) }

        func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

        /// What the keeper's side has done with the connection.
        var end: Descriptors.Received {
            var byte: UInt8 = 0
            return withUnsafeMutableBytes(of: &byte) {
                Descriptors.receive(from: descriptor, into: $0, peeking: true)
            }
        }
    }

    /// A connection that the forwarder serves.
    func connect() -> Client {
        var pair: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        precondition(socketpair(AF_UNIX, kind, 0, &pair) == 0, "socketpair: \(errno)")
        ForwarderWorld.setNonBlocking(pair[1])
        forwarder.add(pair[1])
        return Client(pair[0])
    }
}

/// Runs `body` with a forwarder of its own, and ends that.
func withForwarder(
    _ limits: LineLimits = LineLimits(lineLength: 1 << 20), sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (ForwarderWorld) throws -> Void,
) throws {
    try withTemporaryDirectory { directory in
        try withLoop(sourceLocation: sourceLocation) { loop in
            let world = try ForwarderWorld(limits, in: directory, on: loop)
            defer { world.close() }
            try body(world)
        }
    }
}
