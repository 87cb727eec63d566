/// The threads of a ``Resolver``, and the work that waits for them. A thread lives only while there is work: starting
/// one costs little beside a look-up, and no idle thread has to be ended by its user.
final class ResolverThreads: Sendable {
    /// The number of a submitted job.
    typealias Ticket = UInt64
    typealias Work = @Sendable () throws(UVError) -> Lookup.Answer

    /// The loop and the look-up that an answer goes to.
    struct Asker: Sendable {
        let loop: LoopRemote
        let lookup: UInt64

        /// Delivers the outcome. A closed loop drops it: its look-ups have ended.
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
        /// The asker of each job that a thread works on. A look-up that was canceled stays here until its thread is
        /// free, although its loop no longer knows it.
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

    /// Queues `work` for a thread, which then tells `asker` its outcome.
    ///
    /// - Throws: ``UVError/canceled`` if closed, ``UVError/busy`` if too much waits, ``UVError/wouldBlock`` and its
    /// like if no thread runs and none can be made.
    func submit(for asker: Asker, _ work: @escaping Work) throws(UVError) -> Ticket {
        let result: Result<Ticket, UVError> = state.withLock { state in
            guard !state.isClosed else { return .failure(.canceled) }
            // The sum of waiting and running jobs, since a new thread has not taken its job yet.
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

    /// Drops a job that no thread has taken. A job that runs goes on.
    func abandon(_ ticket: Ticket) {
        // The job's captures are released outside the lock.
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

    /// The body of a thread.
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

    /// Records that a job is done and takes the next one; the thread ends if there is none.
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
    /// The sum, or `Int.max` if it overflows.
    fileprivate func addingClamped(_ other: Int) -> Int {
        let (sum, overflows) = addingReportingOverflow(other)
        return overflows ? .max : sum
    }
}
