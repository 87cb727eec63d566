public import KeeperProtocol
internal import UVLoop

/// A read of a session's output. A broken connection is replaced, from the byte after the last one on, and the files of
/// an ended session are read too.
///
/// A live keeper that owes an answer and sends nothing for five seconds ends the read, with
/// ``KeeperError/frozen(_:pid:)`` if the keeper is stopped. A read that follows, and has begun, is owed no answer: it
/// waits for a keeper that has paused as long as the keeper lives.
///
/// The read keeps itself alive until its last event, or ``cancel()``.
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
    private let from: OutputStart
    private let request: ReadRequest
    private let timer: TimerHandle
    /// The offset after the last byte of each stream, once the keeper has said where the read begins.
    private var offsets: [ChildStream: UInt64] = [:]
    private var epoch: String?
    private var state = State.pausing
    /// The number of failed attempts in a row.
    private var failures = 0
    /// The time at which the keeper last sent something, or at which a connection that it served ended.
    private var silentSince = SystemClock.monotonicTime
    /// True once the present connection has said where the read goes on: its end then comes after all output.
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
        self.from = from.limited(to: streams)
        request = ReadRequest(streams, from: self.from.requested, epoch: from.epoch, follows: follows)
        self.loop = loop
        self.onBytes = onBytes
        self.onEvent = onEvent
        self.onDone = onDone
        timer = TimerHandle(on: loop)
        timer.onCanceled = { self.end(.failed(.closed)) }
        timer.start(after: .zero) { _ in self.begin() }
    }

    /// The offset after the last byte delivered, for each stream; empty before the read has begun.
    public var position: [ChildStream: UInt64] { offsets }

    /// The epoch in which the offsets count; nil before the read has begun.
    public var positionEpoch: String? { epoch }

    /// Stops reading for now. The keeper keeps no more than its limit, and older bytes become a gap.
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

    /// Ends the read without further callbacks. Idempotent.
    public func cancel() {
        onEvent = nil
        end(nil)
    }

    /// Ends the read because the manager closes.
    func close() { loop.isClosed ? cancel() : loop.onNextTick { self.end(.failed(.closed)) } }

    // MARK: The keeper

    private func begin() {
        // The files of an ended session are not asked, and answer as the keeper would.
        do throws(ChannelError) { try request.check() } catch { return received(.error(error)) }
        connect()
    }

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
        // The epoch of a keeper that ended before it said where the read begins does not count.
        if offsets.isEmpty { epoch = request.epoch ?? hello.epoch }
        var request = request
        if !offsets.isEmpty { (request.from, request.epoch) = (.offsets(offsets), epoch) }
        connection.send(.read(request))
        isPaused ? connection.pause() : awaitAnswer()
    }

    /// The time for which the keeper may still be silent.
    private var timeLeft: Duration { silentSince + ChannelConstants.answerTime - SystemClock.monotonicTime }

    /// Notes that the keeper sent something of the read, and waits for more if it owes an answer.
    private func keeperSpoke() {
        guard !isPaused else { return }
        silentSince = SystemClock.monotonicTime
        awaitAnswer()
    }

    private func awaitAnswer() {
        guard case .reading(let connection) = state, !isPaused else { return }
        guard !(request.follows && isServed) else { return timer.stop() }
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
        case .error(let error): end(.failed(beyondEnd(error) ?? .channel(session, error.code.rawValue, error.text)))
        case .hello, .writer, .acknowledged, .output, .status, .ok, .pong: break
        }
    }

    private func beyondEnd(_ error: ChannelError) -> KeeperError? {
        guard error.code == .argument, case .reading(let connection) = state else { return nil }
        // The ends in the hello are those at the time of the request, or a little before.
        return from.beyondEnd(of: session) { connection.hello?.output?[$0].end }
    }

    private func received(_ stream: ChildStream, _ offset: UInt64, _ bytes: RawSpan) {
        offsets[stream] = offset + UInt64(bytes.byteCount)
        onBytes?(stream, offset, bytes)
        if !request.follows { keeperSpoke() }
    }

    /// Handles the end of the session: everything was sent, unless the keeper no longer saw the request.
    private func ended(_ exit: SessionExit) {
        guard !isServed, case .reading(let connection) = state else { return end(.ended(exit)) }
        connection.close()
        state = .pausing
        timer.stop()
        readFiles(.sessionEnded(session))
    }

    /// Handles a failed connection: tries again while a keeper may live, else reads the files it has left.
    private func failed(_ error: KeeperError) {
        if case .ended = state { return }
        state = .pausing
        timer.stop()
        isServed = false
        failures += 1
        switch ChannelAbsence(error, of: session, paths) {
        case .noKeeper: return readFiles(error)
        // A starting keeper is about to have a channel.
        case .noChannel where failures > 2: return end(.failed(.noChannel(session, "give its output")))
        case .sessionEnded where failures > 2: return readFiles(error)
        case .noChannel, .sessionEnded, .notReachable: break
        }
        let pause = Duration.milliseconds(min(1000, 10 << min(failures, 10)))
        switch error {
        // The keeper has paused in the middle of a read that follows.
        case .timedOut where request.follows && !offsets.isEmpty: silentSince = SystemClock.monotonicTime
        case .timedOut where timeLeft <= pause:
            return end(.failed(.silence(of: session, for: ChannelConstants.answerTime, paths)))
        // A program with another protocol has that the next time, too.
        case .malformedMessage: return end(.failed(error))
        case _ where timeLeft <= pause || error.isConfiguration: return end(.failed(error))
        default: break
        }
        timer.start(after: pause) { _ in self.connect() }
    }

    // MARK: The files

    private func readFiles(_ error: KeeperError) {
        guard case .pausing = state else { return }
        do throws(UVError) { try findFiles(error) } catch _ {
            // No descriptor is left to look at the files, which says nothing about what they hold.
            timer.start(after: .milliseconds(50)) { _ in self.readFiles(error) }
        }
    }

    private func findFiles(_ error: KeeperError) throws(UVError) {
        guard let record = try SessionRecord(readingAt: paths.record(for: session)) else { return end(.failed(error)) }
        // The session may have begun anew between the look at the keeper and that at the record.
        guard record.exit != nil || !KeeperInspection.finding(session, paths: paths).mayLive else {
            guard timeLeft > .zero else { return end(.failed(error)) }
            return timer.start(after: .milliseconds(20)) { _ in self.connect() }
        }
        epoch = epoch ?? from.epoch
        guard epoch == nil || epoch == record.epoch else { return end(.failed(.sessionBeganAnew(session))) }
        epoch = record.epoch
        let read = SegmentRead(session, epoch: record.epoch, paths, on: loop) { event in
            switch event {
            case .bytes(let stream, let offset, let bytes): self.received(stream, offset, bytes.span.bytes)
            case .gap(let stream, let range):
                guard !record.isReplaced(at: self.paths.record(for: self.session)) else {
                    return self.end(.failed(.sessionBeganAnew(self.session)))
                }
                self.offsets[stream] = range.upperBound
                self.onEvent?(.gap(stream, range))
            case .end: self.end(self.endOfFiles(record))
            }
        }
        state = .files(read)
        if isPaused { read.pause() }
        // A keeper that was killed has left its files, but no record of how much they hold.
        let isEndKnown = record.exit?.output != nil
        read.start(record.exit?.output) { self.begin($0, isEndKnown: isEndKnown) }
    }

    /// If the keeper was killed, its record does not tell where its output ends. If the next life of the session has
    /// removed some of it meanwhile, the files do not tell either.
    private func endOfFiles(_ record: SessionRecord) -> OutputEvent {
        record.exit?.output == nil && record.isReplaced(at: paths.record(for: session))
            ? .failed(.sessionBeganAnew(session)) : .ended(record.exit)
    }

    /// Finds the offset at which each stream is read, from the output that is kept.
    ///
    /// - Parameter isEndKnown: false if the end is only that of the files. The stream may then have had more bytes,
    ///   which the disk did not take, and a reader of these goes on beyond the end.
    private func begin(_ output: SessionExit.Output, isEndKnown: Bool) -> [ChildStream: UInt64] {
        guard offsets.isEmpty else { return offsets }
        if isEndKnown, let error = from.beyondEnd(of: session, { output[$0].end }) {
            end(.failed(error))
            return [:]
        }
        offsets = from.offsets(of: request.streams, in: output)
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
