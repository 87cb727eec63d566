import KeeperProtocol
import TestSupport
import UVLoop

/// A client of a session's channel, which the test drives; its hello has come.
final class ChannelConnection {
    /// What has come of one stream, and whether bytes and gaps follow each other without a seam.
    struct Tiles {
        /// Where it began: as the answer to the `read` says.
        fileprivate(set) var start: UInt64
        /// What comes next.
        fileprivate(set) var end: UInt64
        fileprivate(set) var bytes: [UInt8] = []
        fileprivate(set) var gaps: [Range<UInt64>] = []
        /// False once something has come that does not begin where the last ended.
        fileprivate(set) var isSeamless = true

        /// The bytes as text.
        var text: String { String(decoding: bytes, as: UTF8.self) }

        fileprivate mutating func take(_ range: Range<UInt64>) {
            isSeamless = isSeamless && range.lowerBound == end && !range.isEmpty
            end = range.upperBound
        }
    }

    /// The connection ended where a message was expected.
    struct Ended: Error {}

    private let home: KeeperHome
    private let stream: PipeStream
    private var framer = HeaderFramer(limit: ChannelConstants.longestMessage)
    private var payload: (stream: ChildStream, left: Int)?
    /// Messages that have come and were not asked for by ``next()``; output and gaps are in ``tiles``.
    private(set) var messages: [ChannelMessage] = []
    private(set) var tiles: [ChildStream: Tiles] = [:]
    /// The most bytes that one message had.
    private(set) var longestChunk = 0
    /// True once the keeper has ended its sending side, or the connection has failed.
    private(set) var isEnded = false
    private(set) var malformed: [String] = []
    private(set) var hello: ChannelHello!

    fileprivate init(to path: String, in home: KeeperHome) throws {
        self.home = home
        var connected: (UVError?) -> Void = { _ in }
        stream = try PipeStream(connectingTo: path, on: home.loop) { _, error in connected(error) }
        connected = { [weak self] in self?.connected($0) }
    }

    private func connected(_ error: UVError?) {
        do throws(UVError) {
            if let error { throw error }
            try stream.readStart(
                onBytes: { [weak self] _, bytes in bytes.withUnsafeBytes { self?.received($0) } },
                onEnd: { [weak self] _, _ in self?.isEnded = true })
        } catch {
            isEnded = true
        }
    }

    fileprivate func takeHello() throws {
        guard case .hello(let hello) = try next() else { throw Ended() }
        self.hello = hello
    }

    // MARK: What comes

    private func received(_ bytes: UnsafeRawBufferPointer) {
        var position = 0
        while position < bytes.count {
            if let (name, left) = payload {
                let part = bytes[position..<min(bytes.count, position + left)]
                tiles[name]?.bytes += part
                position += part.count
                payload = part.count == left ? nil : (name, left - part.count)
                continue
            }
            switch framer.find(in: bytes, from: &position) {
            case .none: break
            case .tooLong:
                malformed.append("a header is too long")
                position = bytes.count
            case .here(let range): read(UnsafeRawBufferPointer(rebasing: bytes[range]))
            case .pending: framer.takePending { read($0) }
            }
        }
    }

    private func read(_ header: UnsafeRawBufferPointer) {
        if header.count >= ChannelConstants.longestAnswer { malformed.append("an answer has \(header.count) bytes") }
        do throws(ChannelMessage.Malformed) {
            guard let message = try ChannelMessage.read(header) else {
                return malformed.append(String(decoding: header, as: UTF8.self))
            }
            note(message)
        } catch {
            malformed.append(error.reason)
        }
    }

    private func note(_ message: ChannelMessage) {
        switch message {
        case .output(let stream, let offset, let length):
            tiles[stream]?.take(offset..<offset + UInt64(length))
            longestChunk = max(longestChunk, length)
            payload = (stream, length)
        case .gap(let stream, let range):
            tiles[stream]?.take(range)
            tiles[stream]?.gaps.append(range)
        case .reading(let positions):
            for (stream, position) in positions { tiles[stream] = Tiles(start: position.from, end: position.from) }
            messages.append(message)
        default: messages.append(message)
        }
    }

    /// The next message but output; waits for it.
    func next() throws -> ChannelMessage {
        try home.until("a message comes") { !messages.isEmpty || isEnded }
        guard !messages.isEmpty else { throw Ended() }
        return messages.removeFirst()
    }

    /// Messages up to the end of the connection; waits for it.
    func rest() throws -> [ChannelMessage] {
        try home.until("the connection ends") { isEnded }
        defer { messages = [] }
        return messages
    }

    /// The code and the number of the next message, which is an error; nil if it is something else.
    func nextError() throws -> (code: ChannelError.Code, sequence: UInt64?)? {
        guard case .error(let error) = try next() else { return nil }
        return (error.code, error.sequence)
    }

    /// Waits for an error, before which only acknowledgements come.
    ///
    /// - Returns: it, and the last number that was acknowledged; nil if something else came.
    func errorAfterAcknowledgements() throws -> (acknowledged: UInt64, error: ChannelError)? {
        var acknowledged: UInt64 = 0
        while true {
            switch try next() {
            case .acknowledged(let number): acknowledged = number
            case .error(let error): return (acknowledged, error)
            default: return nil
            }
        }
    }

    /// Waits for the acknowledgement of a line; those of earlier ones may come before, nothing else.
    ///
    /// - Returns: false if something else came.
    func acknowledges(_ sequence: UInt64) throws -> Bool {
        while true {
            guard case .acknowledged(let number) = try next(), number <= sequence else { return false }
            if number == sequence { return true }
        }
    }

    /// What is going on, asked for now.
    func status() throws -> SessionStatus {
        send("status\n")
        while true {
            if case .status(let status) = try next() { return status }
        }
    }

    /// True if the keeper answers this connection.
    func isAnswered() throws -> Bool {
        send("ping\n")
        return try next() == .pong
    }

    // MARK: What goes

    func send(_ bytes: [UInt8]) {
        if !stream.isClosing, !stream.isShutDown { stream.write(bytes) }
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    /// Sends a line with its number; the newline is added.
    func write(_ sequence: UInt64, _ line: String) {
        send("write \(sequence) \(line.utf8.count)\n\(line)\n")
    }

    /// True if the kernel has taken all that was sent.
    var hasSentAll: Bool { stream.queuedByteCount == 0 }

    /// Ends the sending side.
    func finish() { stream.shutdown() }

    /// Drops the connection.
    func close() { stream.close() }

    /// Reads nothing for now.
    func pause() { stream.readStop() }

    /// Reads on.
    func resume() throws { try stream.readResume() }
}

extension KeeperHome {
    /// Connects to a session's channel, and takes the hello.
    func channel(of keeper: KeeperProcess) throws -> ChannelConnection {
        let connection = try ChannelConnection(to: keeper.channel, in: self)
        try connection.takeHello()
        return connection
    }

    /// Connects to a session's channel, and waits for nothing.
    func bareChannel(of keeper: KeeperProcess) throws -> ChannelConnection {
        try ChannelConnection(to: keeper.channel, in: self)
    }
}

extension KeeperProcess {
    /// The channel's socket.
    var channel: String { "\(socket.dropLast("rpc.sock".count))ctl.sock" }
    /// The file of its record.
    var recordFile: String { "\(socket.dropLast("rpc.sock".count))session.json" }
    /// Its record; nil if there is none that can be read.
    var record: SessionRecord? { SessionRecord(at: recordFile) }
}
