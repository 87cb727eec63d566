import UVKeeper

/// The discoveries of this process. Two at once share the work: a dead keeper's files that one has locked, the other leaves
/// to it, so what they have left shows only when both have ended.
final class Discoveries {
    let manager: KeeperManager
    private var running = 0
    private var waiting: [() -> Void] = []

    init(_ manager: KeeperManager) { self.manager = manager }

    /// - Parameters:
    ///   - completion: runs with its result.
    ///   - settled: runs after that, once no other is under way.
    func start(
        _ completion: @escaping (Result<KeeperDiscovery, KeeperError>) -> Void, settled: @escaping () -> Void,
    ) {
        running += 1
        manager.discoverExistingKeepers { [self] result in
            running -= 1
            completion(result)
            waiting.append(settled)
            guard running == 0 else { return }
            let settling = waiting
            waiting = []
            for settled in settling { settled() }
        }
    }
}
