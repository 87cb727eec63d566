internal import UVLoop

/// The bytes received on a connection that no task has asked for yet, and the task that waits for more.
///
/// Used by the loop's thread and by tasks, under a lock: continuations are returned, and resumed outside of it.
struct Incoming {
    typealias Continuation = Waiting<[UInt8]?>.Continuation

    /// The bytes that wait here before reading pauses.
    private static let limit = 65536
    /// Chunks are joined up to this size: each takes memory of its own besides.
    private static let joinedByteCount = 4096

    private var chunks: [[UInt8]] = []
    /// The index of the first chunk that was not taken.
    private var first = 0
    private var byteCount = 0
    private var end: Result<Void, UVError>?
    private var reader = Waiting<[UInt8]?>()
    /// True while the stream reads, or was told to.
    private var isReading = false

    // MARK: For tasks

    /// The first chunk; nil if there is none, or a task waits already. The loop's thread must read on if `mustRead`.
    mutating func take() -> (chunk: [UInt8]?, mustRead: Bool) {
        guard first < chunks.count else { return (nil, false) }
        let chunk = chunks[first]
        byteCount -= chunk.count
        first += 1
        // The array is moved once for many chunks.
        if first * 2 >= chunks.count {
            chunks.removeFirst(first)
            first = 0
        }
        return (chunk, byteCount < Incoming.limit && beginReading())
    }

    /// A number for a wait that is about to begin.
    mutating func nextNumber() -> UInt64 { reader.nextNumber() }

    /// The outcome for a task that is about to wait; nil if it waits from now on.
    mutating func wait(
        _ continuation: Continuation, _ number: UInt64,
    ) -> (outcome: Result<[UInt8]?, UVError>?, mustRead: Bool) {
        guard reader.isEmpty else { return (.failure(.busy), false) }
        let (chunk, mustRead) = take()
        if let chunk { return (.success(chunk), mustRead) }
        if let end { return (end.map { nil }, false) }
        reader.set(continuation, number)
        return (nil, beginReading())
    }

    /// Takes back a wait; nil if it has ended.
    mutating func cancel(_ number: UInt64) -> Continuation? { reader.take(number) }

    private mutating func beginReading() -> Bool {
        guard !isReading, end == nil else { return false }
        isReading = true
        return true
    }

    // MARK: For the loop's thread

    /// Adds a chunk, or returns the task that gets it; drops it after the end. The stream must pause if `mustPause`.
    mutating func add(_ chunk: [UInt8]) -> (reader: Continuation?, mustPause: Bool) {
        guard end == nil else { return (nil, false) }
        if let reader = reader.take() { return (reader, false) }
        if let last = chunks.last, first < chunks.count, last.count + chunk.count <= Incoming.joinedByteCount {
            chunks[chunks.count - 1] += chunk
        } else {
            chunks.append(chunk)
        }
        byteCount += chunk.count
        if byteCount >= Incoming.limit { isReading = false }
        return (nil, !isReading)
    }

    /// Notes that the stream could not be told to read; returns the task that is to learn of it. The next one tries again.
    mutating func readingFailed() -> Continuation? {
        isReading = false
        return reader.take()
    }

    /// Notes the end, unless there was one before; returns the task that is to learn of it.
    mutating func finish(_ end: Result<Void, UVError>) -> Continuation? {
        isReading = false
        if self.end == nil { self.end = end }
        return reader.take()
    }
}
