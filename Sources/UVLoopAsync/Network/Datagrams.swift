public import UVLoop

/// A socket for datagrams, for tasks: messages arrive whole or not at all, perhaps in another order, perhaps twice.
public actor Datagrams: LoopActor {
    /// A message that was received.
    public struct Message: Hashable, Sendable {
        /// The message's bytes.
        public let bytes: [UInt8]
        /// The address of the sender.
        public let sender: SocketAddress?
    }

    /// The executor whose loop is used.
    public nonisolated let executor: LoopExecutor
    /// The executor as the runtime knows it.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    /// The address that the socket is bound to; for port 0, with the port that the system chose.
    public nonisolated let address: SocketAddress
    /// The number of messages that wait here for a task before the oldest is dropped; the system too drops messages
    /// without room.
    public static let waitingLimit = 1024

    /// The socket, for its options, on the executor.
    public var socket: UDPSocket { held.value }
    private let held: Handover<UDPSocket>
    private var inbox = Inbox<Message>(limit: Datagrams.waitingLimit)
    private var isReceiving = false

    private init(_ socket: Handover<UDPSocket>, at address: SocketAddress, on executor: LoopExecutor) {
        held = socket
        self.address = address
        self.executor = executor
    }

    deinit {
        executor.submit { [held] _ in held.value.close() }
    }

    /// Makes a socket that is bound to an address.
    ///
    /// - Throws: the errors of ``/UVLoop/UDPSocket/init(bindingTo:dualStack:reusePort:on:)``.
    public static func bind(
        to address: SocketAddress, dualStack: Bool = false, reusePort: Bool = false, on executor: LoopExecutor,
    ) async throws(UVError) -> Datagrams {
        try await make(on: executor) { (loop) throws(UVError) in
            try UDPSocket(bindingTo: address, dualStack: dualStack, reusePort: reusePort, on: loop)
        }
    }

    /// Makes a socket that sends to one address, and receives from no other.
    ///
    /// - Throws: the errors of ``/UVLoop/UDPSocket/init(connectingTo:on:)``.
    public static func connect(
        to address: SocketAddress, on executor: LoopExecutor,
    ) async throws(UVError) -> Datagrams {
        try await make(on: executor) { (loop) throws(UVError) in try UDPSocket(connectingTo: address, on: loop) }
    }

    private static func make(
        on executor: LoopExecutor, _ body: @escaping @Sendable (Loop) throws(UVError) -> UDPSocket,
    ) async throws(UVError) -> Datagrams {
        let result: Result<Datagrams, UVError> = try await executor.run { loop in
            do throws(UVError) {
                let socket = try body(loop)
                let datagrams = Datagrams(Handover(socket), at: try socket.localAddress, on: executor)
                socket.onCanceled = { [weak datagrams] in
                    datagrams?.assumeIsolated { $0.inbox.finish(.failure(.canceled)) }
                }
                return .success(datagrams)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Sends a message; returns when the kernel has taken it, which does not mean that it arrives. If the task is
    /// canceled meanwhile, the message is sent all the same.
    ///
    /// - Parameters:
    ///   - bytes: the message.
    ///   - address: nil for a connected socket, and only for one.
    /// - Throws: ``/UVLoop/UVError/messageTooLong`` and the other errors of a send by ``/UVLoop/UDPSocket``;
    ///   ``/UVLoop/UVError/canceled`` once the socket is closed.
    public func send(_ bytes: [UInt8], to address: SocketAddress? = nil) async throws(UVError) {
        guard !socket.isClosing else { throw .canceled }
        if try socket.trySend(bytes.span.bytes, to: address) { return }
        let socket = socket
        try await once(canceled: .canceled) { (end: OneShot<Void, UVError>) in
            guard !socket.isClosing else { return end.end(.failure(.canceled)) }
            socket.send(bytes, to: address) { end.end($0.map { .failure($0) } ?? .success(())) }
        }
    }

    /// The next message; nil when the socket has closed.
    ///
    /// - Throws: ``/UVLoop/UVError/busy`` if another task receives; ``/UVLoop/UVError/canceled`` if the task is
    ///   canceled; errors that the network reports for messages sent: receiving goes on after them.
    public func receive() async throws(UVError) -> Message? {
        if !socket.isClosing { try receiveOn() }
        let number = inbox.nextNumber()
        return try await wait(canceled: .canceled) {
            inbox.take($0, number)
        } onCancel: {
            $0.inbox.cancel(number)
        }
    }

    private func receiveOn() throws(UVError) {
        guard !isReceiving else { return }
        try socket.receiveStart(
            onMessage: { [weak self] _, bytes, message in
                self?.assumeIsolated { $0.inbox.put(Message(bytes: Array(bytes), sender: message.sender)) }
            },
            // The error concerns a message that was sent, or a shortage: the next send reports it.
            onError: { _, _ in })
        isReceiving = true
    }

    /// Closes the socket: messages that wait to be sent are lost, and ``receive()`` ends. Idempotent.
    public func close() {
        socket.close()
        inbox.finish()
    }

    /// The messages received until the socket closes. For one task at a time.
    public nonisolated var messages: Messages { Messages(datagrams: self) }

    /// The messages received by a socket.
    public struct Messages: AsyncSequence {
        /// The errors of receiving.
        public typealias Failure = UVError
        let datagrams: Datagrams

        /// The iterator of one task.
        public struct Iterator: AsyncIteratorProtocol {
            let datagrams: Datagrams

            /// The next message; nil when the socket has closed.
            public mutating func next() async throws -> Message? { try await datagrams.receive() }

            /// The next message, as above, with the error's type.
            public mutating func next(isolation actor: isolated (any Actor)?) async throws(UVError) -> Message? {
                try await datagrams.receive()
            }
        }

        /// Begins to receive.
        public func makeAsyncIterator() -> Iterator { Iterator(datagrams: datagrams) }
    }
}
