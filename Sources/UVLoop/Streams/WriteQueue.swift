/// The writing side of a stream: the waiting bytes, the write under way, and the completions that wait for them.
///
/// A value that makes no system call: the stream makes them and reports their results to the queue. Bytes are counted
/// from the first one ever submitted; a completion waits until the kernel has taken all bytes up to the end of its
/// write.
struct WriteQueue: ~Copyable {
    typealias Completion = Waiters.Completion

    enum State {
        /// The stream is connecting, and nothing is given to libuv yet (H18, H19: a write before the connect fails, a
        /// shutdown never ends).
        case connecting
        case open
        /// The connect or a write has failed, or the stream has closed; no more is written.
        case failed(UVError)
    }

    /// The progress of the half-close.
    enum Finish {
        case open
        /// `shutdown` was called; it is passed on when the queue is empty.
        case requested([Completion])
        /// The shutdown was passed on; its completions run on the next tick.
        case passedOn([Completion])
        case done(UVError?)

        /// The completions of a shutdown that has not ended.
        var completions: [Completion]? {
            switch self {
            case .requested(let completions), .passedOn(let completions): completions
            case .open, .done: nil
            }
        }
    }

    /// The fate of the bytes of one write.
    enum Submission {
        /// The kernel has taken all bytes.
        case taken
        /// Some of the bytes wait.
        case queued
        /// The writing side had failed before.
        case failed
        /// There is no memory for the bytes, so the writing side has failed now.
        case outOfMemory
    }

    private(set) var state: State
    var finish = Finish.open
    /// The number of bytes ever passed to `write`.
    private(set) var submitted: UInt64 = 0
    /// The number of bytes of finished writes: taken by the kernel, or, after an error, possibly taken.
    private(set) var finished: UInt64 = 0
    /// The bytes that libuv is writing; empty while it is not.
    private var inFlight = Outbox()
    private var waiting = Outbox()
    /// The completions of writes that have not failed.
    private var waiters = Waiters()
    /// The completions of failed writes, which all come after the waiters.
    private var failures: [(completion: Completion, error: UVError)] = []
    /// The index of the first failure whose completion was not called.
    private var firstFailure = 0
    private var isDeliveryScheduled = false

    /// The largest allocation allowed; tests lower it to exhaust the memory.
    var memoryLimit: Int {
        get { waiting.memoryLimit }
        set { waiting.memoryLimit = newValue }
    }

    init(isConnected: Bool) { state = isConnected ? .open : .connecting }

    // MARK: Bytes

    var error: UVError? { if case .failed(let error) = state { error } else { nil } }

    var isOpen: Bool { if case .open = state { true } else { false } }

    var isConnecting: Bool { if case .connecting = state { true } else { false } }

    /// True while libuv writes.
    var isWriting: Bool { !inFlight.isEmpty }

    /// The number of bytes that libuv was not given yet.
    var waitingByteCount: Int { waiting.count }

    /// True if a write may go to the kernel at once, with no bytes ahead of it.
    var isClear: Bool { isOpen && waiting.isEmpty && inFlight.isEmpty }

    /// The number of bytes that the kernel has taken, if `unwritten` of those that libuv was given are left.
    func acceptedByteCount(unwritten: Int) -> UInt64 { finished + UInt64(inFlight.count - unwritten) }

    mutating func connected() { state = .open }

    /// Counts the bytes that the kernel took at once, of a write that is submitted next.
    mutating func took(_ byteCount: Int) { finished += UInt64(byteCount) }

    /// Adds a write without completion that the kernel took in full.
    mutating func submit(taken byteCount: Int) { submitted += UInt64(byteCount) }

    /// Adds a write, of which the kernel took the first bytes at once.
    mutating func submit(
        _ parts: UnsafeBufferPointer<UnsafeRawBufferPointer>, taken: Int, completion: Completion?,
    ) -> Submission {
        for part in parts { submitted += UInt64(part.count) }
        if let error {
            if let completion { failures.append((completion, error)) }
            return .failed
        }
        if let completion { waiters.append(completion, end: submitted) }
        var (taken, isQueued) = (taken, false)
        for part in parts {
            guard taken < part.count else {
                taken -= part.count
                continue
            }
            guard waiting.append(UnsafeRawBufferPointer(rebasing: part[taken...])) else {
                // The write under way goes on: its memory is in use, and its bytes may arrive in full.
                drop(after: finished + UInt64(inFlight.count), .outOfMemory)
                return .outOfMemory
            }
            (taken, isQueued) = (0, true)
        }
        return isQueued ? .queued : .taken
    }

    /// Makes room for `byteCount` more bytes; returns false if there is no memory for them.
    mutating func reserve(_ byteCount: Int) -> Bool { waiting.reserve(byteCount) }

    /// Returns all waiting bytes, for one write by libuv; nil if no bytes wait, libuv is writing, or writing is not
    /// allowed. The memory stays in place until that write ends.
    mutating func startWriting() -> UnsafeRawBufferPointer? {
        guard isOpen, inFlight.isEmpty, !waiting.isEmpty else { return nil }
        swap(&waiting, &inFlight)
        return UnsafeRawBufferPointer(inFlight.bytes)
    }

    /// The bytes that the kernel has not taken, if `unwritten` of those that libuv was given are left; valid until the
    /// next change of the queue.
    func unsent(unwritten: Int) -> [UnsafeRawBufferPointer] {
        let rest = UnsafeRawBufferPointer(inFlight.bytes)[(inFlight.count - unwritten)...]
        return [UnsafeRawBufferPointer(rebasing: rest), UnsafeRawBufferPointer(waiting.bytes)]
    }

    /// Records the end of libuv's write. After a failure some of its bytes may have been taken.
    mutating func wrote(_ failure: UVError?) {
        let byteCount = UInt64(inFlight.count)
        inFlight.removeAll()
        if let failure { fail(failure) }
        finished += byteCount
    }

    /// Ends the writing side: queued bytes are dropped, and every write that was not taken in full has failed.
    mutating func fail(_ error: UVError) {
        inFlight.removeAll()
        drop(after: finished, error)
    }

    /// Records the bytes taken before the stream closes: libuv forgets their number when it cancels the write under
    /// way.
    mutating func close(unwritten: Int) {
        finished = acceptedByteCount(unwritten: unwritten)
        inFlight.removeAll()
    }

    private mutating func drop(after end: UInt64, _ error: UVError) {
        waiting.removeAll()
        // All writes fail if there was no connection, even those of no bytes.
        let failed = isConnecting ? waiters.takeAll() : waiters.takeAll(after: end)
        failures.insert(contentsOf: failed.map { ($0, error) }, at: firstFailure)
        state = .failed(error)
    }

    // MARK: Completions

    /// The number of completions that were not called yet.
    var completionCount: Int { waiters.count + failures.count - firstFailure }

    /// Takes the next completion if its write has ended.
    mutating func takeCompletion() -> (run: Completion, error: UVError?)? {
        if waiters.count > 0 {
            guard !isConnecting, let completion = waiters.takeFirst(upTo: finished) else { return nil }
            return (completion, nil)
        }
        guard firstFailure < failures.count else { return nil }
        let failure = failures[firstFailure]
        firstFailure += 1
        // The array is emptied at once, not one by one, which would move the others each time.
        if firstFailure == failures.count { (failures, firstFailure) = ([], 0) }
        return (failure.completion, failure.error)
    }

    /// True if a delivery of completions is to be scheduled now.
    mutating func scheduleDelivery() -> Bool {
        guard !isDeliveryScheduled, completionCount > 0 else { return false }
        isDeliveryScheduled = true
        return true
    }

    mutating func deliveryBegins() { isDeliveryScheduled = false }
}
