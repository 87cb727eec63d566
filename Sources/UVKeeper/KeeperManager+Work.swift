internal import UVLoop

extension KeeperManager {
    /// Runs `work` in libuv's thread pool; `completion` runs once, on a later tick, even if the pool cannot be made.
    func queueWork<Value: Sendable>(
        _ work: @escaping @Sendable () -> Value,
        completion: @escaping (Result<Value, KeeperError>) -> Void,
    ) {
        do throws(UVError) {
            try loop.queueWork(work) { completion(.success($0)) }
        } catch {
            loop.onNextTick { completion(.failure(.noThreads(error))) }
        }
    }

    /// Runs work on the sessions directory that can fail, as above.
    func queueWork<Value: Sendable>(
        onDirectory work: @escaping @Sendable () -> Result<Value, KeeperError>,
        completion: @escaping (Result<Value, KeeperError>) -> Void,
    ) {
        queueWork(work) { result in completion(result.flatMap { $0 }) }
    }
}
