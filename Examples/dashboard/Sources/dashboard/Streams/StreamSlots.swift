import Synchronization

/// How many streams of events may be open at a time: each has a connection to its session's keeper, and memory for what is
/// under way.
final class StreamSlots: Sendable {
    static let limit = 128

    private let taken = Mutex(0)

    /// One stream's, until it is released.
    final class Slot: Sendable {
        private let slots: StreamSlots

        fileprivate init(_ slots: StreamSlots) { self.slots = slots }

        deinit { slots.taken.withLock { $0 -= 1 } }
    }

    /// Nil if there are too many.
    func take() -> Slot? {
        let isFree = taken.withLock { taken in
            guard taken < StreamSlots.limit else { return false }
            taken += 1
            return true
        }
        return isFree ? Slot(self) : nil
    }
}
