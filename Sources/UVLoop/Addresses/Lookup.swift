/// A pending question to a ``Resolver``, which can be canceled. The object belongs to its loop's thread, and need not
/// be kept.
public final class Lookup {
    enum Answer: Sendable {
        case addresses([SocketAddress])
        case name(NameService.Name)
    }

    typealias Outcome = Result<Answer, UVError>
    typealias Completion = (Outcome) -> Void

    private enum State {
        /// A thread works on the look-up, or will. The timer is the deadline; it keeps the loop running, and tells when
        /// the loop closes its handles.
        case asked(ResolverThreads, ticket: ResolverThreads.Ticket, TimerHandle, Completion)
        /// The outcome is known; the completion runs on the next tick.
        case answered(Outcome, Completion)
        case ended
    }

    private let loop: Loop
    /// The key in `loop.lookups`; nil for a look-up that needs no thread.
    private let number: UInt64?
    private var state: State

    /// A look-up whose answer is known without a thread.
    init(answer: Answer, on loop: Loop, completion: @escaping Completion) {
        self.loop = loop
        number = nil
        state = .answered(.success(answer), completion)
        loop.onNextTick { self.deliver() }
    }

    /// A look-up on one of the resolver's threads.
    ///
    /// - Parameter deadline: the longest wait; nil sets no limit.
    /// - Throws: the errors of ``ResolverThreads/submit(for:_:)``; nothing is left behind then.
    init(
        from threads: ResolverThreads,
        deadline: Duration?,
        on loop: Loop,
        work: @escaping @Sendable () throws(UVError) -> Answer,
        completion: @escaping Completion,
    ) throws(UVError) {
        let number = loop.lookups.newNumber()
        // The answer comes through the loop's remote, so never before this initializer has returned.
        let ticket = try threads.submit(for: ResolverThreads.Asker(loop: loop.remote, lookup: number), work)
        let timer = TimerHandle(on: loop)
        self.loop = loop
        self.number = number
        state = .asked(threads, ticket: ticket, timer, completion)
        loop.lookups.pending[number] = self
        timer.onCanceled = { loop.lookups.end(number, .failure(.canceled)) }
        timer.start(after: deadline ?? Lookup.forever) { _ in loop.lookups.end(number, .failure(.timedOut)) }
    }

    /// The longest time of a timer, rounded down.
    private static let forever = Duration.milliseconds(1 << 62)

    /// Cancels the look-up: its completion runs on the next tick with ``UVError/canceled``. A look-up that waits for a
    /// thread gives up its place; one that a thread works on occupies that thread until the name service answers, and
    /// the answer is dropped. Does nothing once the completion has run or a cancel came before.
    public func cancel() {
        switch state {
        case .asked(let threads, let ticket, let timer, let completion):
            loop.preconditionOnThread()
            leave(threads, ticket, timer)
            state = .answered(.failure(.canceled), completion)
            loop.onNextTick { self.deliver() }
        case .answered(_, let completion):
            loop.preconditionOnThread()
            state = .answered(.failure(.canceled), completion)
        case .ended: break
        }
    }

    /// Ends the look-up in a callback of the loop: by its answer, its deadline or the loop's close.
    fileprivate func end(_ outcome: Outcome) {
        guard case .asked(let threads, let ticket, let timer, let completion) = state else { return }
        // If the loop closes its handles, an answer that is on its way is not delivered: its completion would begin
        // something new.
        let isCanceled = timer.isClosing
        leave(threads, ticket, timer)
        state = .ended
        completion(isCanceled ? .failure(.canceled) : outcome)
    }

    private func leave(_ threads: ResolverThreads, _ ticket: ResolverThreads.Ticket, _ timer: TimerHandle) {
        if let number { loop.lookups.pending[number] = nil }
        timer.close()
        threads.abandon(ticket)
    }

    private func deliver() {
        guard case .answered(let outcome, let completion) = state else { return }
        state = .ended
        completion(outcome)
    }
}

@available(*, unavailable)
extension Lookup: Sendable {}

/// A loop's look-ups that threads work on, by number. A thread is given the number, since its work must be `Sendable`
/// and a look-up is not.
final class PendingLookups {
    fileprivate var pending: [UInt64: Lookup] = [:]
    private var last: UInt64 = 0

    fileprivate func newNumber() -> UInt64 {
        last += 1
        return last
    }

    /// Ends the look-up unless it has ended. On the loop's thread.
    func end(_ number: UInt64, _ outcome: Lookup.Outcome) {
        pending[number]?.end(outcome)
    }
}
