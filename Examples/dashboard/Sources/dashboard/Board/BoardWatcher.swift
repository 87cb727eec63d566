import Synchronization
import UVKeeper

/// Which sessions have changed since a watcher looked last: one entry for each, however often it changes.
final class BoardWatcher: Sendable {
    /// Something has changed.
    let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation
    private let changed = Mutex<Set<SessionID>>([])

    init() { (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    func tell(_ id: SessionID) {
        changed.withLock { _ = $0.insert(id) }
        wake.yield()
    }

    func take() -> Set<SessionID> {
        changed.withLock { changed in
            defer { changed = [] }
            return changed
        }
    }
}
