/// Why bytes are not passed on any more from one side to the other.
public struct PipingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// One of the two.
    public enum Side: Hashable, Sendable {
        /// What is read.
        case source
        /// What is written to.
        case sink
    }

    /// Whose failure it is.
    public let side: Side
    /// ``UVError/canceled`` if it was closed, by its owner or the loop; ``UVError/brokenPipe`` also for a sink that its owner has
    /// shut down.
    public let error: UVError

    /// For instance `the sink failed: EPIPE: broken pipe`.
    public var description: String { "the \(side) failed: \(error)" }
}

/// Bytes on their way from one side to the other, no faster than the slower of the two. Keeps itself alive until it has ended.
final class Piping {
    private enum State {
        case passing
        /// The source has ended, and the sink has not taken everything.
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
        // One that could not connect has closed by itself, for a reason.
        sink.whenClosed(self) { self.end(.sink, sink.refusal ?? .canceled) }
        sink.watch(
            onDrain: { [unowned self] in if case .passing = state { resume() } },
            onFailure: { [unowned self] in end(.sink, $0) })
        letGo = { [unowned self] in
            source.forget(self)
            sink.forget(self)
            sink.watch(onDrain: nil, onFailure: nil)
        }
        // A failure that was told before the piping began is not told again.
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
            // Nobody is told of the end of what has not begun.
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
        // The end of its close tells.
        guard case .passing = state, !sink.isClosing else { return }
        state = .finishing
        sink.finish(finishes) { [self] error in
            if let error { end(.sink, error) } else { end(nil) }
        }
    }

    // MARK: The end

    /// A stream that is ending in order is read to its end, which is dropped.
    private static func leave(_ source: Stream) {
        let isEnding = source.finishing != nil && source.onEnd != nil && !source.isClosing && !source.hasReadToEnd
        guard isEnding else { return source.readStop() }
        do throws(UVError) { try source.readResume() } catch {
            // Its deadline ends it.
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

/// What bytes can be passed on to.
protocol PipingSink: Handle {
    /// Why it takes nothing more; nil if it does.
    var refusal: UVError? { get }
    /// - Returns: false if no more should come until it has drained.
    func pass(_ bytes: RawSpan) -> Bool
    func watch(onDrain: (() -> Void)?, onFailure: ((UVError) -> Void)?)
    /// - Parameter ends: whether nobody writes to it any more.
    func finish(_ ends: Bool, _ completion: @escaping (UVError?) -> Void)
}

extension Stream: PipingSink {
    /// One that its owner has shut down meanwhile is as one whose peer has gone.
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
    /// Passes on everything that arrives to another stream, no faster than that one takes it, until this one has ended.
    ///
    /// `completion` runs once, on a later tick, whoever fails or closes: with nil when the sink has taken everything. Neither
    /// stream is closed. A sink that its owner shuts down has failed with ``UVError/brokenPipe``. Meanwhile the
    /// reading of this stream, and ``onDrain`` and ``onWriteError`` of the sink, are the piping's.
    ///
    /// - Parameters:
    ///   - sink: who is written to.
    ///   - finishing: whether the sink is shut down when this stream has ended in order.
    ///   - completion: runs once: with nil at the end, or with the side that failed.
    /// - Throws: as ``readStart(onBytes:onEnd:)`` does; `completion` does not run then.
    public final func pipe(
        to sink: Stream, finishing: Bool = true, _ completion: @escaping (PipingError?) -> Void,
    ) throws(UVError) {
        _ = try Piping(from: self, to: sink, finishing: finishing, completion)
    }

    /// Passes on everything that arrives to a file, as above; ``FileWriter/onDrain`` and ``FileWriter/onFailure`` are the
    /// piping's.
    public final func pipe(to file: FileWriter, _ completion: @escaping (PipingError?) -> Void) throws(UVError) {
        _ = try Piping(from: self, to: file, finishing: false, completion)
    }
}

extension FileReader {
    /// Passes on the file to a stream, no faster than that one takes it; in place of ``start(onBytes:onEnd:)``.
    ///
    /// `completion` runs once, on a later tick, whoever fails or closes: with nil when the stream has taken everything. Neither
    /// is closed. Meanwhile ``Stream/onDrain`` and ``Stream/onWriteError`` are the piping's.
    ///
    /// - Parameters:
    ///   - sink: who is written to.
    ///   - finishing: whether the stream is shut down at the end of the file.
    ///   - completion: runs once: with nil at the end, or with the side that failed.
    public func pipe(to sink: Stream, finishing: Bool = true, _ completion: @escaping (PipingError?) -> Void) {
        _ = Piping(from: self, to: sink, finishing: finishing, completion)
    }
}
