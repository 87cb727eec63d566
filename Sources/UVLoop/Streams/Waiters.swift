internal import CLibUV

/// The completions of a stream's writes, in the order of the writes, each with the place in the stream where its write ends.
///
/// The completions are in a block of memory that grows in place if possible, not in an array, which would copy itself
/// each time: with many small writes queued, the copies and their fresh pages cost as much as everything else that the
/// queue does.
struct Waiters: ~Copyable {
    typealias Completion = (UVError?) -> Void

    private struct Waiter {
        let end: UInt64
        let completion: Completion
    }

    /// The size, in bytes, up to which an empty block is kept.
    private static let keptSize = 65536

    private var base: UnsafeMutablePointer<Waiter>?
    private var capacity = 0
    private var first = 0
    /// The index after the last completion.
    private var last = 0

    deinit {
        (base.map { $0 + first })?.deinitialize(count: last - first)
        free(base)
    }

    var count: Int { last - first }

    /// Adds a completion. Traps if there is no memory for it, as an array would.
    mutating func append(_ completion: @escaping Completion, end: UInt64) {
        if last == capacity { makeRoom() }
        (base! + last).initialize(to: Waiter(end: end, completion: completion))
        last += 1
    }

    /// Takes the first completion if its write ends at `place` or before.
    mutating func takeFirst(upTo place: UInt64) -> Completion? {
        guard first < last, let base, base[first].end <= place else { return nil }
        let waiter = (base + first).move()
        first += 1
        if first == last { becameEmpty() }
        return waiter.completion
    }

    /// Takes all completions whose writes end after `place`, which are the last ones.
    mutating func takeAll(after place: UInt64) -> [Completion] { takeLast { $0.end > place } }

    mutating func takeAll() -> [Completion] { takeLast { _ in true } }

    private mutating func takeLast(from isWanted: (Waiter) -> Bool) -> [Completion] {
        guard let base, let start = (first..<last).first(where: { isWanted(base[$0]) }) else { return [] }
        let completions = (start..<last).map { base[$0].completion }
        (base + start).deinitialize(count: last - start)
        last = start
        if first == last { becameEmpty() }
        return completions
    }

    private mutating func makeRoom() {
        // The completions are moved to the front if that makes room for as many again, so that each is moved a bounded
        // number of times.
        if let base, first > 0, first >= capacity / 2 {
            base.moveInitialize(from: base + first, count: count)
            (first, last) = (0, count)
            return
        }
        let wanted = max(16, 2 * capacity)
        // The values may be moved as bytes: a closure is two pointers.
        guard let grown = realloc(base, wanted * MemoryLayout<Waiter>.stride) else {
            trap("Stream.write: there is no memory for a completion")
        }
        base = grown.assumingMemoryBound(to: Waiter.self)
        capacity = wanted
    }

    private mutating func becameEmpty() {
        (first, last) = (0, 0)
        guard capacity * MemoryLayout<Waiter>.stride > Waiters.keptSize else { return }
        free(base)
        base = nil
        capacity = 0
    }
}
