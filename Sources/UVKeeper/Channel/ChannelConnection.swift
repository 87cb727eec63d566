internal import KeeperProtocol
internal import UVLoop

/// A connection to a session's channel: greeted, and cut into messages.
///
/// A connect has failed if no hello comes in time, whichever process listens.
final class ChannelConnection {
    private enum State {
        /// The connect; nil before its first try has begun.
        case connecting(KeeperConnect?)
        /// The stream is connected; the hello comes first.
        case greeting(PipeStream)
        case open(PipeStream)
        case closed
    }

    /// The callbacks of a connection. None is called after ``close()``.
    struct Handlers {
        var onOpen: (ChannelHello) -> Void
        var onMessage: (ChannelMessage) -> Void
        /// Called with a part of the payload of an output message, lent.
        var onOutput: (ChildStream, UInt64, RawSpan) -> Void = { _, _, _ in }
        /// Called when the kernel has taken all bytes written.
        var onDrain: () -> Void = {}
        /// Called when the connection was closed for lack of use; see ``rest(for:)``.
        var onIdle: () -> Void = {}
        /// Called once when the connection has failed, or the keeper has closed it.
        var onEnd: (KeeperError) -> Void
    }

    private let session: SessionID
    private let path: String
    private let timer: TimerHandle
    private var handlers: Handlers?
    /// The time since which the connection is not in use; nil while it is.
    private var restsSince: Duration?
    private var state = State.connecting(nil)
    /// The keeper's hello; nil unless the connection is open. A property and no part of the state, which would copy it
    /// for each message.
    private(set) var hello: ChannelHello?
    private var framer = HeaderFramer(limit: ChannelConstants.longestMessage)
    /// The missing rest of a payload.
    private var payload: (stream: ChildStream, offset: UInt64, left: Int)?

    /// Connects; the handlers run on later ticks.
    ///
    /// - Parameter time: the longest time until the hello has come.
    init(to session: SessionID, in paths: KeeperPaths, within time: Duration, on loop: Loop, _ handlers: Handlers) {
        self.session = session
        path = paths.channel(for: session)
        self.handlers = handlers
        timer = TimerHandle(on: loop)
        timer.start(ifSilentFor: time) { self.end(.timedOut(time)) }
        timer.onCanceled = { self.end(.closed) }
        do throws(UVError) {
            state = .connecting(try KeeperConnect(to: path, on: loop) { self.connected($0) })
        } catch {
            loop.onNextTick { self.end(.connection(self.path, error)) }
        }
    }

    /// Bytes written that the kernel has not taken.
    var queuedByteCount: Int { stream?.queuedByteCount ?? 0 }

    private var stream: PipeStream? {
        switch state {
        case .greeting(let stream), .open(let stream): stream
        case .connecting, .closed: nil
        }
    }

    func send(_ bytes: [UInt8]) {
        guard case .open(let stream) = state else { return }
        restsSince = nil
        stream.write(bytes)
    }

    /// Sends a request; if it is too long for a keeper, the connection ends instead.
    func send(_ request: ChannelRequest) {
        do throws(KeeperError) { send(try request.acceptableHeader()) } catch { end(error) }
    }

    /// Stops reading for now; bytes wait in the kernel, and then in the keeper.
    func pause() { stream?.readStop() }

    func resume() {
        do throws(UVError) { try stream?.readResume() } catch { end(.connection(path, error)) }
    }

    /// Notes that the connection is not in use: it closes after a time in which nothing is sent.
    func rest(for time: Duration) {
        restsSince = SystemClock.monotonicTime
        if !timer.isActive { watchRest(time, since: restsSince) }
    }

    private func watchRest(_ time: Duration, since start: Duration?) {
        guard let start else { return }
        timer.start(after: start + time - SystemClock.monotonicTime) { [self] _ in
            guard let since = restsSince, since == start else { return watchRest(time, since: restsSince) }
            let onIdle = handlers?.onIdle
            close()
            onIdle?()
        }
    }

    func close() {
        if case .connecting(let connect) = state { connect?.close() }
        stream?.close()
        state = .closed
        hello = nil
        handlers = nil
        timer.close()
    }

    private func end(_ error: KeeperError) {
        guard let handlers else { return }
        close()
        handlers.onEnd(error)
    }

    private func connected(_ result: Result<KeeperConnect.Connected, UVError>) {
        guard case .connecting = state else { return }
        do throws(UVError) {
            let stream = try result.get().stream
            state = .greeting(stream)
            stream.onDrain = { _ in self.handlers?.onDrain() }
            stream.onWriteError = { _, error in self.end(.connection(self.path, error)) }
            try stream.readStart(
                onBytes: { _, bytes in bytes.withUnsafeBytes { self.received($0) } },
                onEnd: { _, error in self.end(.connection(self.path, error ?? .connectionReset)) })
        } catch {
            end(.connection(path, error))
        }
    }

    // MARK: Messages

    private func received(_ bytes: UnsafeRawBufferPointer) {
        var position = 0
        while position < bytes.count, handlers != nil {
            if let payload {
                position += receive(payload, UnsafeRawBufferPointer(rebasing: bytes[position...]))
                continue
            }
            do throws(ChannelMessage.Malformed) {
                switch framer.find(in: bytes, from: &position) {
                case .none: return
                case .tooLong: throw ChannelMessage.Malformed(reason: "a message that is too long")
                case .here(let range):
                    take(try ChannelMessage.read(UnsafeRawBufferPointer(rebasing: bytes[range])))
                case .pending:
                    take(
                        try framer.takePending { (header) throws(ChannelMessage.Malformed) in
                            try ChannelMessage.read(header)
                        })
                }
            } catch {
                end(.malformedMessage(session, error.reason))
            }
        }
    }

    /// Takes a part of a payload.
    ///
    /// - Returns: the number of bytes used.
    private func receive(
        _ payload: (stream: ChildStream, offset: UInt64, left: Int), _ bytes: UnsafeRawBufferPointer,
    ) -> Int {
        let part = UnsafeRawBufferPointer(rebasing: bytes.prefix(payload.left))
        let left = payload.left - part.count
        self.payload = left > 0 ? (payload.stream, payload.offset + UInt64(part.count), left) : nil
        handlers?.onOutput(payload.stream, payload.offset, part.bytes)
        return part.count
    }

    /// Takes a message; nil for a message that this version does not know.
    private func take(_ message: ChannelMessage?) {
        guard case .open = state else { return greet(message) }
        switch message {
        case .output(let stream, let offset, let length)?: if length > 0 { payload = (stream, offset, length) }
        case let message?: handlers?.onMessage(message)
        case nil: break
        }
    }

    private func greet(_ message: ChannelMessage?) {
        guard case .greeting(let stream) = state else { return }
        switch message {
        case .hello(let hello)?:
            guard hello.session == session.rawValue, hello.protocolVersion >= ChannelConstants.version else {
                return end(.malformedMessage(session, "the keeper of session \(hello.session) answers"))
            }
            timer.stop()
            state = .open(stream)
            self.hello = hello
            handlers?.onOpen(hello)
        case .error(let error)?: end(.channel(session, error.code.rawValue, error.text))
        default: end(.malformedMessage(session, "a message before the hello"))
        }
    }
}

extension ChannelRequest {
    /// The header of a request that a keeper takes.
    ///
    /// - Throws: ``KeeperError/requestTooLong(_:maximum:)``.
    func acceptableHeader() throws(KeeperError) -> [UInt8] {
        let header = header
        guard header.count <= ChannelConstants.longestRequest else {
            throw .requestTooLong(header.count, maximum: ChannelConstants.longestRequest)
        }
        return header
    }
}
