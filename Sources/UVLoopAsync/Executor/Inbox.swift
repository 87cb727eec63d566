package import UVLoop

/// Items that wait for the task that takes them, one by one; the number is bounded, and beyond it the oldest is
/// dropped.
///
/// Used on one executor only.
package struct Inbox<Item: Sendable> {
    private var items: [Item] = []
    private var first = 0
    private var taker = Waiting<Item?>()
    private var end: Result<Void, UVError>?
    private let limit: Int
    /// The number of items dropped because they were not taken in time.
    package private(set) var droppedCount = 0

    package init(limit: Int) { self.limit = limit }

    package var count: Int { items.count - first }
    package var hasEnded: Bool { end != nil }
    package var isAwaited: Bool { !taker.isEmpty }
    package mutating func put(_ item: Item) {
        guard end == nil else { return }
        guard taker.isEmpty else { return taker.resume(.success(item)) }
        items.append(item)
        guard count > limit else { return }
        droppedCount += 1
        _ = takeFirst()
    }

    /// Ends the inbox: no more items come, and those that wait can still be taken.
    package mutating func finish(_ result: Result<Void, UVError> = .success(())) {
        guard end == nil else { return }
        end = result
        taker.resume(result.map { nil })
    }

    /// A number for a wait that is about to begin.
    package mutating func nextNumber() -> UInt64 { taker.nextNumber() }

    /// Gives a task the first item, or the end, or makes it wait.
    package mutating func take(_ continuation: Waiting<Item?>.Continuation, _ number: UInt64) {
        if let item = takeFirst() { return continuation.resume(returning: .success(item)) }
        if let end { return continuation.resume(returning: end.map { nil }) }
        taker.set(continuation, number)
    }

    package mutating func cancel(_ number: UInt64) { taker.cancel(number) }

    private mutating func takeFirst() -> Item? {
        guard first < items.count else { return nil }
        defer {
            first += 1
            if first * 2 >= items.count {
                items.removeFirst(first)
                first = 0
            }
        }
        return items[first]
    }
}
