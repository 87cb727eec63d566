public import KeeperProtocol
internal import Logging
internal import UVLoop

// Operations that take ids as text. `@_disfavoredOverload` makes the compiler prefer the operation itself for a
// literal, which is a SessionID then.
extension KeeperManager {
    /// Writes one line; text that is no session id refuses it with ``KeeperError/invalidSession(_:_:)``.
    @_disfavoredOverload
    public func writeRPC(_ line: [UInt8], to id: some StringProtocol, completion: @escaping (WriteOutcome) -> Void) {
        guard let session = session(id, else: { completion(.refused($0)) }) else { return }
        writeRPC(line, to: session, completion: completion)
    }

    /// Writes one line, as above.
    @_disfavoredOverload
    public func writeRPC(_ line: String, to id: some StringProtocol, completion: @escaping (WriteOutcome) -> Void) {
        writeRPC(Array(line.utf8), to: id, completion: completion)
    }

    /// Starts a keeper; text that is no session id fails with ``KeeperError/invalidSession(_:_:)``.
    @_disfavoredOverload
    public func spawnKeeper(
        for id: some StringProtocol,
        in workingDirectory: String,
        _ options: SpawnOptions = SpawnOptions(),
        completion: @escaping (Result<SpawnedKeeper, KeeperError>) -> Void,
    ) {
        let fail = { [logger] (error: KeeperError) in
            logger.warning("cannot start keeper", metadata: ["error": "\(error)"])
            completion(.failure(error))
        }
        guard let session = session(id, else: fail) else { return }
        spawnKeeper(for: session, in: workingDirectory, options, completion: completion)
    }

    /// Adopts or starts a session; text that is no session id fails with ``KeeperError/invalidSession(_:_:)``.
    @_disfavoredOverload
    public func open(
        _ id: some StringProtocol,
        in workingDirectory: String,
        _ options: SpawnOptions = SpawnOptions(),
        completion: @escaping (Result<OpenSession, KeeperError>) -> Void,
    ) {
        guard let session = session(id, else: { completion(.failure($0)) }) else { return }
        open(session, in: workingDirectory, options, completion: completion)
    }

    /// Ends a session for good; text that is no session id fails with ``KeeperError/invalidSession(_:_:)``.
    @_disfavoredOverload
    public func stop(
        _ id: some StringProtocol,
        ladder: StopLadder = .keepers,
        completion: @escaping (StopResult) -> Void,
    ) {
        guard let session = session(id, else: { completion(.failed($0)) }) else { return }
        stop(session, ladder: ladder, completion: completion)
    }

    /// Ends a session for good, as above, with this time for each of the two steps.
    @_disfavoredOverload
    public func stop(
        _ id: some StringProtocol, grace: Duration, completion: @escaping (StopResult) -> Void,
    ) {
        stop(id, ladder: StopLadder(endOfInput: grace, terminate: grace), completion: completion)
    }

    /// Sends SIGTERM to the session's keeper.
    ///
    /// - Throws: if the text is no session id.
    @_disfavoredOverload
    @discardableResult
    public func killKeeper(for id: some StringProtocol) throws(SessionIDError) -> Bool {
        killKeeper(for: try SessionID(String(id)))
    }

    /// True if a keeper serves the session, or may.
    ///
    /// - Throws: if the text is no session id.
    @_disfavoredOverload
    public func mayBeAlive(_ id: some StringProtocol) throws(SessionIDError) -> Bool {
        mayBeAlive(try SessionID(String(id)))
    }

    /// The state of one session; nil if there is neither keeper nor file.
    ///
    /// - Throws: if the text is no session id.
    @_disfavoredOverload
    public func status(of id: some StringProtocol) throws(SessionIDError) -> KeeperStatus? {
        status(of: try SessionID(String(id)))
    }

    /// The session id in the text; nil if the text is none, and then `fail` gets the error on the next tick.
    private func session(_ id: some StringProtocol, else fail: @escaping (KeeperError) -> Void) -> SessionID? {
        loop.preconditionOnThread()
        let text = String(id)
        do throws(SessionIDError) {
            return try SessionID(text)
        } catch {
            let error = error
            loop.onNextTick { fail(.invalidSession(text, error)) }
            return nil
        }
    }
}
