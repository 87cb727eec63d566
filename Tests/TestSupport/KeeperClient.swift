public import UVLoop

/// A connection to a keeper.
public final class KeeperClient {
    private let stream: PipeStream
    /// Why the connection could not be made.
    public private(set) var connectError: UVError?
    /// Whether the connection has been made.
    public private(set) var isConnected = false
    /// Whether the keeper has closed it.
    public private(set) var isEnded = false
    /// How it ended, if not in order.
    public private(set) var error: UVError?

    /// Connects.
    public init(to path: String, on loop: Loop) throws {
        var connected: (UVError?) -> Void = { _ in }
        stream = try PipeStream(connectingTo: path, on: loop) { _, error in connected(error) }
        connected = { [weak self] in self?.connected($0) }
    }

    /// Sends bytes; lost if the keeper has closed the connection, as they would be.
    public func write(_ bytes: [UInt8]) {
        if !stream.isClosing { stream.write(bytes) }
    }

    /// Sends a text, as above.
    public func write(_ text: String) { write(Array(text.utf8)) }

    /// Half-closes once everything is sent; the keeper then closes when it has passed everything on.
    public func finish() {
        if !stream.isClosing { stream.shutdown() }
    }

    /// Closes at once; what is not sent yet is lost.
    public func close() { stream.close() }

    /// For options of the socket.
    public var descriptor: Int32? { stream.descriptor }

    /// What of the bytes written the kernel has taken.
    public var sentByteCount: UInt64 { stream.acceptedByteCount }

    /// Whether everything written has been taken.
    public var hasSentAll: Bool { isConnected && (isEnded || stream.queuedByteCount == 0) }

    private func connected(_ error: UVError?) {
        guard error == nil else {
            connectError = error
            return end(error)
        }
        isConnected = true
        do {
            try stream.readStart(onBytes: { _, _ in }, onEnd: { [weak self] _, error in self?.end(error) })
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
