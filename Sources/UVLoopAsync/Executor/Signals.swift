public import UVLoop

/// Signals sent to this process, for tasks: all that come from the first `next` on, in order. Bursts may arrive as one.
///
/// The default action of a signal, the end of the process for instance, is disabled as long as the sequence is used.
public struct Signals: AsyncSequence, Sendable {
    /// The error for a signal that cannot be caught, or for the lack of a descriptor for the watch.
    public typealias Failure = UVError
    private let signals: [Signal]
    private let executor: LoopExecutor

    /// The signals, watched by an executor's loop.
    public init(_ signals: [Signal], on executor: LoopExecutor) {
        self.signals = signals
        self.executor = executor
    }

    /// Begins to watch with the first `next`.
    public func makeAsyncIterator() -> Iterator { Iterator(watch: SignalWatch(signals, on: executor)) }

    /// The iterator of one task.
    public struct Iterator: AsyncIteratorProtocol {
        let watch: SignalWatch

        /// The next signal; nil when the loop has ended.
        public mutating func next() async throws -> Signal? { try await watch.next() }

        /// The next signal, as above, with the error's type.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(UVError) -> Signal? {
            try await watch.next()
        }
    }
}

extension LoopExecutor {
    /// Signals sent to this process.
    public func signals(_ signals: Signal...) -> Signals { Signals(signals, on: self) }
}

/// The watch of one iteration.
actor SignalWatch: LoopActor {
    nonisolated let executor: LoopExecutor
    /// The executor as the runtime knows it.
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private let signals: [Signal]
    private var handles: [Handover<SignalHandle>] = []
    private var inbox = Inbox<Signal>(limit: 1024)

    init(_ signals: [Signal], on executor: LoopExecutor) {
        self.signals = signals
        self.executor = executor
    }

    deinit {
        executor.submit { [handles] _ in
            for handle in handles { handle.value.close() }
        }
    }

    func next() async throws(UVError) -> Signal? {
        if handles.isEmpty {
            guard executor.isOnThread else { return nil }
            try begin()
        }
        let number = inbox.nextNumber()
        return try await wait(canceled: .canceled) {
            inbox.take($0, number)
        } onCancel: {
            $0.inbox.cancel(number)
        }
    }

    private func begin() throws(UVError) {
        for signal in signals {
            let handle = try SignalHandle(on: executor.loop)
            handle.unref()
            handles.append(Handover(handle))
            handle.onCanceled = { [weak self] in self?.assumeIsolated { $0.inbox.finish() } }
            try handle.start(signal) { [weak self] _, signal in self?.assumeIsolated { $0.inbox.put(signal) } }
        }
    }
}
