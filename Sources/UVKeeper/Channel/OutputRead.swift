public import KeeperProtocol
internal import UVLoop

/// A read of a session's output. It goes on by itself over a broken connection, from the byte after the last, and into the
/// files that a session leaves.
///
/// A live keeper that owes an answer and says nothing for five seconds ends it, with ``KeeperError/frozen(_:pid:)`` if the
/// keeper is stopped. A read that follows, and has begun, is owed nothing: it waits for a keeper that has paused as long as that
/// lives.
///
/// Keeps itself alive until its last event, or ``cancel()``.
public final class OutputRead {
    private enum State {
        case pausing
        case connecting(ChannelConnection)
        case reading(ChannelConnection)
        case files(SegmentRead)
        case ended
    }

    private let session: SessionID
    private let paths: KeeperPaths
    private let loop: Loop
    private let streams: [ChildStream]
    private let follows: Bool
    private let timer: TimerHandle
    private var from: OutputStart
    /// The byte after the last of each stream, once the keeper has said where the read begins.
    private var offsets: [ChildStream: UInt64] = [:]
    private var epoch: String?
    private var state = State.pausing
    /// Failed attempts in a row.
    private var failures = 0
    /// When the keeper has last said something, or a connection that it served has ended.
    private var silentSince = SystemClock.monotonicTime
    /// True once the present connection has said where the read goes on: what ends it then comes behind everything.
    private var isServed = false
    private var isPaused = false
    private var onBytes: ((ChildStream, UInt64, RawSpan) -> Void)?
    private var onEvent: ((OutputEvent) -> Void)?
    private let onDone: (OutputRead) -> Void

    init(
        _ session: SessionID, in paths: KeeperPaths, _ streams: [ChildStream], from: OutputStart, follows: Bool,
        on loop: Loop, onBytes: @escaping (ChildStream, UInt64, RawSpan) -> Void,
        onEvent: @escaping (OutputEvent) -> Void, onDone: @escaping (OutputRead) -> Void,
    ) {
        self.session = session
        self.paths = paths
        self.streams = streams
        self.from = from
        self.follows = follows
        self.loop = loop
        self.onBytes = onBytes
        self.onEvent = onEvent
        self.onDone = onDone
        timer = TimerHandle(on: loop)
        timer.onCanceled = { self.end(.failed(.closed)) }
        timer.start(after: .zero) { _ in self.connect() }
    }

    /// The byte after the last that was told, of each stream; empty before the read has begun.
    public var position: [ChildStream: UInt64] { offsets }

    /// The epoch that the offsets count in; nil before the read has begun.
    public var positionEpoch: String? { epoch }

    /// Reads nothing more for now; the keeper keeps what it keeps, and what is older is a gap later.
    public func pause() {
        isPaused = true
        switch state {
        case .reading(let connection):
            connection.pause()
            timer.stop()
        case .files(let read): read.pause()
        case .pausing, .connecting, .ended: break
        }
    }

    /// Reads on.
    public func resume() {
        guard isPaused else { return }
        isPaused = false
        switch state {
        case .reading(let connection):
            connection.resume()
            keeperSpoke()
        case .files(let read): read.resume()
        case .pausing, .connecting, .ended: break
        }
    }

    /// Ends the read; nothing more is told. Idempotent.
    public func cancel() {
        onEvent = nil
        end(nil)
    }

    /// Ends it because the manager closes.
    func close() {
        guard !loop.isClosed else { return cancel() }
        loop.onNextTick { self.end(.failed(.closed)) }
    }

    // MARK: The keeper

    private func connect() {
        guard case .pausing = state else { return }
        var connection: ChannelConnection?
        connection = ChannelConnection(
            to: session, in: paths, within: max(.milliseconds(1), min(ChannelConstants.helloTime, timeLeft)), on: loop,
            ChannelConnection.Handlers(
                onOpen: { hello in connection.map { self.opened($0, hello) } },
                onMessage: { self.received($0) },
                onOutput: { self.received($0, $1, $2) },
                onEnd: { error in
                    connection = nil
                    if self.isServed || self.isPaused { self.silentSince = SystemClock.monotonicTime }
                    self.failed(error)
                }))
        if let connection { state = .connecting(connection) }
    }

    private func opened(_ connection: ChannelConnection, _ hello: ChannelHello) {
        state = .reading(connection)
        isServed = false
        let start: ReadRequest.Start =
            switch from {
            case .start: .start
            case .end: .end
            case .last(let count): .last(count)
            case .offsets(let offsets, _): .offsets(offsets)
            }
        var request = ReadRequest(streams, from: start, follows: follows)
        if case .offsets(_, let epoch) = from { request.epoch = epoch }
        if !offsets.isEmpty { (request.from, request.epoch) = (.offsets(offsets), epoch) }
        // Nothing counts in the epoch of a keeper that has gone before it has said where the read begins.
        if offsets.isEmpty { epoch = request.epoch ?? hello.epoch }
        connection.send(.read(request))
        if isPaused { connection.pause() } else { keeperSpoke() }
    }

    /// How long a keeper may still be silent.
    private var timeLeft: Duration { silentSince + ChannelConstants.answerTime - SystemClock.monotonicTime }

    /// Waits for what the keeper says next, if it owes an answer.
    private func keeperSpoke() {
        guard case .reading(let connection) = state, !isPaused else { return }
        silentSince = SystemClock.monotonicTime
        guard !(follows && isServed) else { return timer.stop() }
        timer.start(ifSilentFor: ChannelConstants.answerTime) { [self] in
            connection.close()
            failed(.timedOut(ChannelConstants.answerTime))
        }
    }

    private func received(_ message: ChannelMessage) {
        switch message {
        case .reading(let positions):
            failures = 0
            isServed = true
            if offsets.isEmpty { offsets = positions.mapValues(\.from) }
            keeperSpoke()
        case .gap(let stream, let range):
            offsets[stream] = range.upperBound
            onEvent?(.gap(stream, range))
        case .end(let offsets): end(.finished(offsets))
        case .exit(let exit): ended(exit)
        case .error(let error) where error.code == .epoch: end(.failed(.sessionBeganAnew(session)))
        case .error(let error):
            end(.failed(beyondEnd(error) ?? .channel(session, error.code.rawValue, error.text)))
        case .hello, .writer, .acknowledged, .output, .status, .ok, .pong: break
        }
    }

    private func beyondEnd(_ error: ChannelError) -> KeeperError? {
        guard error.code == .argument, case .reading(let connection) = state else { return nil }
        // The ends that the hello names are those at the request, or a little before.
        return from.beyondEnd(of: session) { connection.hello?.output?[$0].end }
    }

    private func received(_ stream: ChildStream, _ offset: UInt64, _ bytes: RawSpan) {
        offsets[stream] = offset + UInt64(bytes.byteCount)
        onBytes?(stream, offset, bytes)
        if !follows { keeperSpoke() }
    }

    /// The session has ended, and everything was sent; or its keeper has not seen the request any more.
    private func ended(_ exit: SessionExit) {
        guard !isServed, case .reading(let connection) = state else { return end(.ended(exit)) }
        connection.close()
        state = .pausing
        timer.stop()
        readFiles(.sessionEnded(session))
    }

    /// A connection has failed: tries again while a keeper may live, and reads the files of one that does not.
    private func failed(_ error: KeeperError) {
        if case .ended = state { return }
        state = .pausing
        timer.stop()
        isServed = false
        failures += 1
        switch ChannelAbsence(error, of: session, paths) {
        case .noKeeper: return readFiles(error)
        // A keeper that is starting is about to have a channel.
        case .noChannel where failures > 2: return end(.failed(.noChannel(session, "give its output")))
        case .sessionEnded where failures > 2: return readFiles(error)
        case .noChannel, .sessionEnded, .notReachable: break
        }
        let pause = Duration.milliseconds(min(1000, 10 << min(failures, 10)))
        switch error {
        // It has paused in the middle.
        case .timedOut where follows && !offsets.isEmpty: silentSince = SystemClock.monotonicTime
        case .timedOut where timeLeft <= pause:
            return end(.failed(.silence(of: session, for: ChannelConstants.answerTime, paths)))
        case _ where timeLeft <= pause || error.isConfiguration: return end(.failed(error))
        default: break
        }
        timer.start(after: pause) { _ in self.connect() }
    }

    // MARK: The files

    private func readFiles(_ error: KeeperError) {
        guard case .pausing = state else { return }
        do throws(UVError) { try findFiles(error) } catch _ {
            // No descriptor is left to look at them by: that says nothing about what is there.
            timer.start(after: .milliseconds(50)) { _ in self.readFiles(error) }
        }
    }

    private func findFiles(_ error: KeeperError) throws(UVError) {
        guard let record = try SessionRecord(readingAt: paths.record(for: session)) else { return end(.failed(error)) }
        // Between the look at the keeper and that at the record the session may have begun anew.
        guard record.exit != nil || !KeeperInspection.finding(session, paths: paths).mayLive else {
            return timer.start(after: .milliseconds(20)) { _ in self.connect() }
        }
        if case .offsets(_, let wanted) = from, epoch == nil { epoch = wanted }
        guard epoch == nil || epoch == record.epoch else { return end(.failed(.sessionBeganAnew(session))) }
        epoch = record.epoch
        let read = SegmentRead(session, epoch: record.epoch, paths, on: loop) { event in
            switch event {
            case .bytes(let stream, let offset, let bytes): self.received(stream, offset, bytes.span.bytes)
            case .gap(let stream, let range):
                self.offsets[stream] = range.upperBound
                self.onEvent?(.gap(stream, range))
            case .end: self.end(self.endOfFiles(record))
            }
        }
        state = .files(read)
        if isPaused { read.pause() }
        // A keeper that was killed has left its files, and has not said how much is in them.
        let isEndKnown = record.exit?.output != nil
        read.start(record.exit?.output) { self.begin($0, isEndKnown: isEndKnown) }
    }

    /// A killed keeper has not said where its output ends. If the next life of the session has removed some of it meanwhile, the
    /// files do not tell either.
    private func endOfFiles(_ record: SessionRecord) -> OutputEvent {
        let present = SessionRecord(at: paths.record(for: session))
        let isRemoved = record.exit?.output == nil && present != nil && present?.epoch != record.epoch
        return isRemoved ? .failed(.sessionBeganAnew(session)) : .ended(record.exit)
    }

    /// Where each stream is read from, of what is kept.
    ///
    /// - Parameter isEndKnown: false if the end is only that of the files. Then the stream may have had more, which the disk did
    ///   not take, and who read that goes on behind the end.
    private func begin(_ output: SessionExit.Output, isEndKnown: Bool) -> [ChildStream: UInt64] {
        guard offsets.isEmpty else { return offsets }
        if isEndKnown, let error = from.beyondEnd(of: session, { output[$0].end }) {
            end(.failed(error))
            return [:]
        }
        offsets = from.offsets(of: streams, in: output)
        return offsets
    }

    private func end(_ event: OutputEvent?) {
        switch state {
        case .connecting(let connection), .reading(let connection): connection.close()
        case .files(let read): read.cancel()
        case .pausing: break
        case .ended: return
        }
        state = .ended
        timer.close()
        let onEvent = onEvent
        self.onEvent = nil
        onBytes = nil
        onDone(self)
        if let event { onEvent?(event) }
    }
}

@available(*, unavailable)
extension OutputRead: Sendable {}
