/// The reason why bytes are no longer passed from one side to the other.
public struct PipingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A side of the piping.
    public enum Side: Hashable, Sendable {
        /// The stream or file that is read.
        case source
        /// The stream or file that is written to.
        case sink
    }

    /// The side that failed.
    public let side: Side
    /// The failure. ``UVError/canceled`` if the side was closed, by its owner or the loop; ``UVError/brokenPipe`` also
    /// for a sink that its owner has shut down.
    public let error: UVError

    /// The failure in words, for instance `the sink failed: EPIPE: broken pipe`.
    public var description: String { "the \(side) failed: \(error)" }
}

/// The transfer of bytes from one side to the other, no faster than the slower of the two. Keeps itself alive until it
/// has ended.
final class Piping {
    private enum State {
        case passing
        /// The source has ended, but the sink has not taken all bytes.
        case finishing
        case ended
    }

    private var state = State.passing
    private var pause: () -> Void = {}
    private var resume: () -> Void = {}
    private var leave: () -> Void = {}
    private var letGo: () -> Void = {}
    private var completion: ((PipingError?) -> Void)?

    private init(_ source: Handle, _ sink: some PipingSink, _ completion: @escaping (PipingError?) -> Void) {
        self.completion = completion
        source.whenClosed(self) { self.end(.source, .canceled) }
        // A sink that could not connect has closed itself, and `refusal` tells the reason.
        sink.whenClosed(self) { self.end(.sink, sink.refusal ?? .canceled) }
        sink.watch(
            onDrain: { [unowned self] in if case .passing = state { resume() } },
            onFailure: { [unowned self] in end(.sink, $0) })
        letGo = { [unowned self] in
            source.forget(self)
            sink.forget(self)
            sink.watch(onDrain: nil, onFailure: nil)
        }
        // The sink does not report a failure again that it reported before the piping began.
        if let error = sink.refusal { source.loop.onNextTick { self.end(.sink, error) } }
    }

    // MARK: The two sides

    convenience init(
        from source: Stream, to sink: some PipingSink, finishing: Bool, _ completion: @escaping (PipingError?) -> Void,
    ) throws(UVError) {
        self.init(source, sink, completion)
        pause = { source.readStop() }
        leave = { Piping.leave(source) }
        resume = { [unowned self] in
            do throws(UVError) { try source.readResume() } catch { end(.source, error) }
        }
        do throws(UVError) {
            try source.readStart(
                onBytes: { self.pass($1, to: sink) },
                onEnd: { self.sourceEnded($1, sink, finishing) })
        } catch {
            // The piping has not begun, so its completion is not called.
            self.completion = nil
            end(.source, error)
            throw error
        }
    }

    convenience init(
        from source: FileReader, to sink: some PipingSink, finishing: Bool,
        _ completion: @escaping (PipingError?) -> Void,
    ) {
        self.init(source, sink, completion)
        pause = { source.pause() }
        leave = pause
        resume = { source.resume() }
        source.start(
            onBytes: { self.pass($1, to: sink) },
            onEnd: { self.sourceEnded($1, sink, finishing) })
    }

    private func pass(_ bytes: RawSpan, to sink: some PipingSink) {
        guard case .passing = state else { return }
        guard !sink.isClosing else { return pause() }
        if let error = sink.refusal { return end(.sink, error) }
        if !sink.pass(bytes) { pause() }
    }

    private func sourceEnded(_ error: UVError?, _ sink: some PipingSink, _ finishes: Bool) {
        if let error { return end(.source, error) }
        // A closing sink reports its end when it has closed.
        guard case .passing = state, !sink.isClosing else { return }
        state = .finishing
        sink.finish(finishes) { [self] error in
            if let error { end(.sink, error) } else { end(nil) }
        }
    }

    // MARK: The end

    /// Stops using a stream. If the stream is ending in order, it is read to its end, and the bytes are dropped.
    private static func leave(_ source: Stream) {
        let isEnding = source.finishing != nil && source.onEnd != nil && !source.isClosing && !source.hasReadToEnd
        guard isEnding else { return source.readStop() }
        do throws(UVError) { try source.readResume() } catch {
            // The deadline of the finish will end the stream.
        }
    }

    private func end(_ side: PipingError.Side, _ error: UVError) { end(PipingError(side: side, error: error)) }

    private func end(_ error: PipingError?) {
        if case .ended = state { return }
        let isPassing = if case .passing = state { true } else { false }
        state = .ended
        if isPassing { leave() }
        letGo()
        (pause, resume, leave, letGo) = ({}, {}, {}, {})
        completion.take()?(error)
    }
}

/// A handle that bytes can be passed to.
protocol PipingSink: Handle {
    /// The reason why the sink takes no more bytes; nil if it takes them.
    var refusal: UVError? { get }
    /// Passes bytes on.
    ///
    /// - Returns: false if no more should come until the sink has drained.
    func pass(_ bytes: RawSpan) -> Bool
    func watch(onDrain: (() -> Void)?, onFailure: ((UVError) -> Void)?)
    /// - Parameter ends: true if no more will be written to the sink.
    func finish(_ ends: Bool, _ completion: @escaping (UVError?) -> Void)
}

extension Stream: PipingSink {
    /// The error of the queue; a stream that its owner has shut down meanwhile counts as one whose peer has gone.
    final var refusal: UVError? { queue.error ?? (isShutDown ? .brokenPipe : nil) }

    final func pass(_ bytes: RawSpan) -> Bool { write(bytes) }

    final func watch(onDrain: (() -> Void)?, onFailure: ((UVError) -> Void)?) {
        self.onDrain = onDrain.map { body in { _ in body() } }
        onWriteError = onFailure.map { body in { body($1) } }
    }

    final func finish(_ ends: Bool, _ completion: @escaping (UVError?) -> Void) {
        if ends || isShutDown { shutdown(completion) } else { write([], completion: completion) }
    }
}

extension FileWriter: PipingSink {
    var refusal: UVError? { failure }

    func pass(_ bytes: RawSpan) -> Bool { write(bytes.withUnsafeBytes { Array($0) }) }

    func watch(onDrain: (() -> Void)?, onFailure: ((UVError) -> Void)?) {
        self.onDrain = onDrain.map { body in { _ in body() } }
        self.onFailure = onFailure.map { body in { body($1) } }
    }

    func finish(_ ends: Bool, _ completion: @escaping (UVError?) -> Void) { write([], completion: completion) }
}

extension Stream {
    /// Passes all arriving bytes on to another stream, no faster than that one takes them, until this one has ended.
    ///
    /// `completion` runs once, on a later tick, whoever fails or closes: with nil when the sink has taken all bytes.
    /// Both streams stay open. If its owner shuts the sink down, the piping fails with ``UVError/brokenPipe``.
    /// Meanwhile the piping uses the reading of this stream, and the sink's ``onDrain`` and ``onWriteError``.
    ///
    /// - Parameters:
    ///   - sink: who is written to.
    ///   - finishing: true to shut the sink down when this stream has ended in order.
    ///   - completion: runs once: with nil at the end, or with the side that failed.
    /// - Throws: the errors of ``readStart(onBytes:onEnd:)``; `completion` does not run then.
    public final func pipe(
        to sink: Stream, finishing: Bool = true, _ completion: @escaping (PipingError?) -> Void,
    ) throws(UVError) {
        _ = try Piping(from: self, to: sink, finishing: finishing, completion)
    }

    /// Passes all arriving bytes on to a file, like ``pipe(to:finishing:_:)``; the piping uses ``FileWriter/onDrain``
    /// and ``FileWriter/onFailure``.
    public final func pipe(to file: FileWriter, _ completion: @escaping (PipingError?) -> Void) throws(UVError) {
        _ = try Piping(from: self, to: file, finishing: false, completion)
    }
}

extension FileReader {
    /// Passes the file on to a stream, no faster than that takes it; used instead of ``start(onBytes:onEnd:)``.
    ///
    /// `completion` runs once, on a later tick, whoever fails or closes: with nil when the stream has taken all bytes.
    /// Both stay open. Meanwhile the piping uses ``Stream/onDrain`` and ``Stream/onWriteError``.
    ///
    /// - Parameters:
    ///   - sink: who is written to.
    ///   - finishing: true to shut the stream down at the end of the file.
    ///   - completion: runs once: with nil at the end, or with the side that failed.
    public func pipe(to sink: Stream, finishing: Bool = true, _ completion: @escaping (PipingError?) -> Void) {
        _ = Piping(from: self, to: sink, finishing: finishing, completion)
    }
}
