public import UVLoop

/// A connection to a keeper.
public final class KeeperClient {
    private let stream: PipeStream
    /// The reason why the connection could not be made.
    public private(set) var connectError: UVError?
    /// True once the connection has been made.
    public private(set) var isConnected = false
    /// True once the keeper has closed the connection.
    public private(set) var isEnded = false
    /// The error that ended the connection; nil if it ended in order.
    public private(set) var error: UVError?

    /// How many bytes have come from the keeper.
    public private(set) var receivedByteCount = 0

    /// Connects.
    public init(to path: String, on loop: Loop) throws {
        var connected: (UVError?) -> Void = { _ in }
        stream = try PipeStream(connectingTo: path, on: loop) { _, error in connected(error) }
        connected = { [weak self] in self?.connected($0) }
    }

    /// Sends bytes; they are lost if the keeper has closed the connection.
    public func write(_ bytes: [UInt8]) {
        if !stream.isClosing { stream.write(bytes) }
    }

    /// Sends a text, as above.
    public func write(_ text: String) { write(Array(text.utf8)) }

    /// Half-closes once everything is sent; the keeper then closes when it has passed all bytes on.
    public func finish() {
        if !stream.isClosing { stream.shutdown() }
    }

    /// Closes at once; bytes that are not sent yet are lost.
    public func close() { stream.close() }

    /// The socket's descriptor, for options.
    public var descriptor: Int32? { stream.descriptor }

    /// The number of written bytes that the kernel has taken.
    public var sentByteCount: UInt64 { stream.acceptedByteCount }

    /// True if the kernel has taken all written bytes.
    public var hasSentAll: Bool { isConnected && (isEnded || stream.queuedByteCount == 0) }

    private func connected(_ error: UVError?) {
        guard error == nil else {
            connectError = error
            return end(error)
        }
        isConnected = true
        do {
            try stream.readStart(
                onBytes: { [weak self] _, bytes in self?.receivedByteCount += bytes.byteCount },
                onEnd: { [weak self] _, error in self?.end(error) })
        } catch {
            end(error)
        }
    }

    private func end(_ error: UVError?) {
        isEnded = true
        self.error = error
        stream.close()
    }
}
