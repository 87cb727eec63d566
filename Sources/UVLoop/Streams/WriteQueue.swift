/// The writing side of a stream: the bytes that wait, the write under way, and the completions that wait for them.
///
/// A value that makes no system call: the stream makes them and tells the queue how they went. Bytes are counted from the
/// first one that was ever submitted, so a completion waits until the kernel has taken as many as its write ended with.
struct WriteQueue: ~Copyable {
    typealias Completion = Waiters.Completion

    enum State {
        /// Nothing is handed to libuv yet (H18, H19: a write before the connect fails, or never ends).
        case connecting
        case open
        /// The connect or a write has failed, or the stream has closed: nothing more is written.
        case failed(UVError)
    }

    /// The half-close.
    enum Finish {
        case open
        /// `shutdown` was called; it is passed on when the queue is empty.
        case requested([Completion])
        /// It was passed on; its completions run on the next tick.
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

    /// What became of the bytes of one write.
    enum Submission {
        /// The kernel has them all.
        case taken
        /// Some of them wait.
        case queued
        /// The writing side had failed before.
        case failed
        /// There is no memory for them, so the writing side has failed now.
        case outOfMemory
    }

    private(set) var state: State
    var finish = Finish.open
    /// Bytes ever passed to `write`.
    private(set) var submitted: UInt64 = 0
    /// Bytes of finished writes: taken by the kernel, or, after an error, possibly taken.
    private(set) var finished: UInt64 = 0
    /// What libuv is writing now; empty when it is not.
    private var inFlight = Outbox()
    private var waiting = Outbox()
    /// The completions of writes that have not failed.
    private var waiters = Waiters()
    /// Those of failed writes, which all come after the waiters.
    private var failures: [(completion: Completion, error: UVError)] = []
    /// Those before it were called.
    private var firstFailure = 0
    private var isDeliveryScheduled = false

    /// Tests lower it to see what happens when memory runs out.
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

    /// Bytes that libuv was not given yet.
    var waitingByteCount: Int { waiting.count }

    /// True if a write may go to the kernel at once: nothing is ahead of it.
    var isClear: Bool { isOpen && waiting.isEmpty && inFlight.isEmpty }

    /// Bytes that the kernel has taken, if libuv has left so many of those that it was given.
    func acceptedByteCount(unwritten: Int) -> UInt64 { finished + UInt64(inFlight.count - unwritten) }

    mutating func connected() { state = .open }

    /// Notes what the kernel took at once, of a write that is submitted next.
    mutating func took(_ byteCount: Int) { finished += UInt64(byteCount) }

    /// Adds a write that the kernel took in full, with nobody who waits for it.
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
                // What libuv is writing goes on: its memory is in use, and its bytes may arrive in full.
                drop(after: finished + UInt64(inFlight.count), .outOfMemory)
                return .outOfMemory
            }
            (taken, isQueued) = (0, true)
        }
        return isQueued ? .queued : .taken
    }

    /// Makes room for so many more bytes; false if there is no memory for them.
    mutating func reserve(_ byteCount: Int) -> Bool { waiting.reserve(byteCount) }

    /// Hands out all that waits, for one write by libuv; nil if nothing waits, libuv is writing, or it must not. The memory
    /// stays where it is until that write ends.
    mutating func startWriting() -> UnsafeRawBufferPointer? {
        guard isOpen, inFlight.isEmpty, !waiting.isEmpty else { return nil }
        swap(&waiting, &inFlight)
        return UnsafeRawBufferPointer(inFlight.bytes)
    }

    /// Notes the end of the write by libuv. After a failure some of its bytes may have been taken.
    mutating func wrote(_ failure: UVError?) {
        let byteCount = UInt64(inFlight.count)
        inFlight.removeAll()
        if let failure { fail(failure) }
        finished += byteCount
    }

    /// Ends the writing side: what is queued is dropped, and every write that was not taken in full has failed.
    mutating func fail(_ error: UVError) {
        inFlight.removeAll()
        drop(after: finished, error)
    }

    /// The stream closes; libuv forgets how much of the write under way was taken when it cancels it.
    mutating func close(unwritten: Int) {
        finished = acceptedByteCount(unwritten: unwritten)
        inFlight.removeAll()
    }

    private mutating func drop(after end: UInt64, _ error: UVError) {
        waiting.removeAll()
        // All of them, those of writes of no bytes too, if there was no connection.
        let failed = isConnecting ? waiters.takeAll() : waiters.takeAll(after: end)
        failures.insert(contentsOf: failed.map { ($0, error) }, at: firstFailure)
        state = .failed(error)
    }

    // MARK: Completions

    /// How many completions have not been called.
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
        // Not one by one, which would move the others each time.
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
