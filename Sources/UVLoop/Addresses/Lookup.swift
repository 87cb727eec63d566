/// One question to a ``Resolver`` that has not been answered, which can be given up. It belongs to its loop's thread, and
/// need not be kept.
public final class Lookup {
    enum Answer: Sendable {
        case addresses([SocketAddress])
        case name(NameService.Name)
    }

    typealias Outcome = Result<Answer, UVError>
    typealias Completion = (Outcome) -> Void

    private enum State {
        /// Somebody works on it. The timer is the deadline, keeps the loop running, and tells when the loop closes its
        /// handles.
        case asked(ResolverThreads, ticket: ResolverThreads.Ticket, TimerHandle, Completion)
        /// It is answered, and the completion runs on the next tick.
        case answered(Outcome, Completion)
        case ended
    }

    private let loop: Loop
    /// Its place among the loop's; nil for one that needs nobody's work.
    private let number: UInt64?
    private var state: State

    /// A look-up that needs nobody's work.
    init(answer: Answer, on loop: Loop, completion: @escaping Completion) {
        self.loop = loop
        number = nil
        state = .answered(.success(answer), completion)
        loop.onNextTick { self.deliver() }
    }

    /// A look-up on one of the resolver's threads.
    ///
    /// - Parameter deadline: how long to wait; nil waits for ever.
    /// - Throws: what ``ResolverThreads/submit(for:_:)`` throws; then nothing is left.
    init(
        from threads: ResolverThreads,
        deadline: Duration?,
        on loop: Loop,
        work: @escaping @Sendable () throws(UVError) -> Answer,
        completion: @escaping Completion,
    ) throws(UVError) {
        let number = loop.lookups.newNumber()
        // The answer comes through the loop's remote, so not before this has returned.
        let ticket = try threads.submit(for: ResolverThreads.Asker(loop: loop.remote, lookup: number), work)
        let timer = TimerHandle(on: loop)
        self.loop = loop
        self.number = number
        state = .asked(threads, ticket: ticket, timer, completion)
        loop.lookups.pending[number] = self
        timer.onCanceled = { loop.lookups.end(number, .failure(.canceled)) }
        timer.start(after: deadline ?? Lookup.forever) { _ in loop.lookups.end(number, .failure(.timedOut)) }
    }

    /// A timer's longest time, rounded down.
    private static let forever = Duration.milliseconds(1 << 62)

    /// Gives the look-up up: its completion runs on the next tick with ``UVError/canceled``. One that waits for a thread
    /// leaves its place to another; one that a thread works on keeps that thread until the name service answers, which
    /// nobody hears. Does nothing once the completion has run or a cancel came before.
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

    /// In a callback of the loop: the look-up's end, by its answer, its deadline or the loop's.
    fileprivate func end(_ outcome: Outcome) {
        guard case .asked(let threads, let ticket, let timer, let completion) = state else { return }
        // An answer may be on its way when the loop closes its handles; whoever got it would begin something new.
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

/// A loop's look-ups that threads work on, by the numbers under which answers come back: what a thread is given must be
/// `Sendable`, and a look-up is not.
final class PendingLookups {
    fileprivate var pending: [UInt64: Lookup] = [:]
    private var last: UInt64 = 0

    fileprivate func newNumber() -> UInt64 {
        last += 1
        return last
    }

    /// On the loop's thread: ends the look-up, unless it has ended.
    func end(_ number: UInt64, _ outcome: Lookup.Outcome) {
        pending[number]?.end(outcome)
    }
}
