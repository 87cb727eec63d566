internal import KeeperProtocol
internal import UVLoop

extension KeeperManager {
    /// The time that an opening waits for the end of the keeper before. The steps of a stop take ten seconds unless told
    /// otherwise.
    private static let endPatience = Duration.seconds(60)

    /// Waits for the end of a keeper that has begun to end its session: the session takes no more lines, and another keeper can
    /// start it only then.
    ///
    /// - Parameter completion: called on a later tick: with true when the keeper has ended, with false at once if it serves its
    ///   session, or may.
    func awaitEnd(of inspection: KeeperInspection, _ completion: @escaping (Result<Bool, KeeperError>) -> Void) {
        let session = inspection.session
        guard inspection.proof == .lock,
            let record = SessionRecord(of: session, keptBy: inspection.finding.pid, in: paths)
        else {
            return loop.onNextTick { completion(.success(false)) }
        }
        if record.exit != nil { return awaitEnd(session, completion) }
        // The raw socket goes when the end begins, and comes after the child. Somebody may have removed it, too.
        guard record.child != nil, !KeeperConnect.isPresent(paths.socket(for: session)) else {
            return loop.onNextTick { completion(.success(false)) }
        }
        self.session(session).status { [self] result in
            guard !isClosed else { return completion(.failure(.closed)) }
            switch result {
            case .success(let status) where status.state == .stopping: awaitEnd(session, completion)
            case .failure(.sessionEnded): awaitEnd(session, completion)
            case .success, .failure: completion(.success(false))
            }
        }
    }

    private func awaitEnd(_ session: SessionID, _ completion: @escaping (Result<Bool, KeeperError>) -> Void) {
        let keeper: ProcessDescriptor?
        do throws(UVError) {
            keeper = try KeeperHold(session, paths: paths)?.process
        } catch {
            return loop.onNextTick { [paths] in completion(.failure(.using(paths.directory, error))) }
        }
        guard let keeper else { return loop.onNextTick { completion(.success(true)) } }
        waitForEnd(of: keeper, atMost: KeeperManager.endPatience) { result in
            switch result {
            case .allHaveEnded: completion(.success(true))
            case .timedOut: completion(.failure(.sessionTaken(session, pid: keeper.pid)))
            case .canceled: completion(.failure(.closed))
            }
        }
    }
}
