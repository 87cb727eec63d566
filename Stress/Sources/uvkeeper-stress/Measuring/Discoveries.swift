import UVKeeper

/// The discoveries of this process. Two at once share the work: the files of a dead keeper that one has locked are left
/// to it by the other, so the remains show only when both have ended.
final class Discoveries {
    let manager: KeeperManager
    private var running = 0
    private var waiting: [() -> Void] = []

    init(_ manager: KeeperManager) { self.manager = manager }

    /// - Parameters:
    ///   - completion: runs with the discovery's result.
    ///   - settled: runs after that, once no other discovery is under way.
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
