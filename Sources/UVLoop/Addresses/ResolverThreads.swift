/// The threads of a ``Resolver``, and what waits for them. A thread lives while there is work: a look-up takes much longer
/// than a thread's making, and no idle thread is left that somebody must end.
final class ResolverThreads: Sendable {
    /// The number of one submitted work.
    typealias Ticket = UInt64
    typealias Work = @Sendable () throws(UVError) -> Lookup.Answer

    /// The one that an answer goes to.
    struct Asker: Sendable {
        let loop: LoopRemote
        let lookup: UInt64

        /// A loop that has closed has ended its look-ups.
        func tell(_ outcome: Lookup.Outcome) {
            let lookup = lookup
            loop.submit { $0.lookups.end(lookup, outcome) }
        }
    }

    private struct Job {
        let ticket: Ticket
        let asker: Asker
        let work: Work
    }

    private struct State {
        var isClosed = false
        var lastTicket: Ticket = 0
        /// The oldest first.
        var waiting: [Job] = []
        /// What threads work on, also for those who do not wait any more: a loop does not know them by then.
        var running: [Ticket: Asker] = [:]
        /// The threads that work or are about to look for work.
        var threadCount = 0
    }

    private let limit: Int
    private let waitingLimit: Int
    private let state = Lock(State())

    init(limit: Int, waitingLimit: Int) {
        self.limit = limit
        self.waitingLimit = waitingLimit
    }

    /// - Throws: ``UVError/canceled`` if closed.
    func checkOpen() throws(UVError) {
        if state.withLock({ $0.isClosed }) { throw .canceled }
    }

    /// Has a thread do `work` and tell `asker`.
    ///
    /// - Throws: ``UVError/canceled`` if closed, ``UVError/busy`` if too much waits, ``UVError/wouldBlock`` and its like if no
    ///   thread works and none can be made.
    func submit(for asker: Asker, _ work: @escaping Work) throws(UVError) -> Ticket {
        let result: Result<Ticket, UVError> = state.withLock { state in
            guard !state.isClosed else { return .failure(.canceled) }
            // Both in one sum: a new thread has not taken its work yet.
            guard state.waiting.count + state.running.count < limit.addingClamped(waitingLimit) else {
                return .failure(.busy)
            }
            if state.threadCount < limit {
                do throws(UVError) {
                    try DetachedThread.start("uvloop-resolver") { self.run() }
                    state.threadCount += 1
                } catch {
                    guard state.threadCount > 0 else { return .failure(error) }
                }
            }
            state.lastTicket += 1
            state.waiting.append(Job(ticket: state.lastTicket, asker: asker, work: work))
            return .success(state.lastTicket)
        }
        return try result.get()
    }

    /// Has work not done that no thread has taken. Nothing stops a thread in its work.
    func abandon(_ ticket: Ticket) {
        // What the work holds goes outside the lock.
        let dropped: Job? = state.withLock { state in
            state.waiting.firstIndex { $0.ticket == ticket }.map { state.waiting.remove(at: $0) }
        }
        _ = dropped
    }

    func close() {
        let (askers, dropped) = state.withLock { state in
            state.isClosed = true
            let askers = state.waiting.map(\.asker) + state.running.values
            let dropped = state.waiting
            state.waiting = []
            return (askers, dropped)
        }
        _ = dropped
        for asker in askers { asker.tell(.failure(.canceled)) }
    }

    /// A thread's whole life.
    private func run() {
        var job = next(after: nil).job
        while let current = job {
            let outcome: Lookup.Outcome
            do throws(UVError) {
                outcome = .success(try current.work())
            } catch {
                outcome = .failure(error)
            }
            let (asker, following) = next(after: current.ticket)
            asker?.tell(outcome)
            job = following
        }
    }

    /// Notes that some work is done, and takes what is next; the thread ends if there is nothing.
    private func next(after done: Ticket?) -> (asker: Asker?, job: Job?) {
        state.withLock { state in
            let asker = done.flatMap { state.running.removeValue(forKey: $0) }
            guard !state.waiting.isEmpty else {
                state.threadCount -= 1
                return (asker, nil)
            }
            let job = state.waiting.removeFirst()
            state.running[job.ticket] = job.asker
            return (asker, job)
        }
    }
}

extension Int {
    /// The sum, or the largest number.
    fileprivate func addingClamped(_ other: Int) -> Int {
        let (sum, overflows) = addingReportingOverflow(other)
        return overflows ? .max : sum
    }
}
