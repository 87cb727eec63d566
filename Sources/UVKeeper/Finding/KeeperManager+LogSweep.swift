public import KeeperProtocol
internal import UVLoop

/// What a sweep of logs found and did.
public struct LogSweep: Hashable, Sendable {
    /// Logs looked at.
    public var examined = 0
    /// Logs cut to nothing.
    public var truncated = 0
    /// Bytes they had.
    public var bytesFreed: UInt64 = 0
    /// Oversized logs left alone because their session has a keeper.
    public var inUse = 0
    /// Oversized logs that could not be cut.
    public var failed = 0
}

extension KeeperManager {
    /// Cuts the oversized logs of sessions without a keeper to nothing; they are never removed. `completion` runs once, on
    /// a later tick; the work is done in libuv's thread pool. Mirrors the original's sweep at start.
    ///
    /// - Parameter maximumBytes: larger ones are oversized; by default the keepers' own limit.
    public func sweepLogs(
        largerThan maximumBytes: Int = KeeperConstants.defaultLogMaximumBytes,
        completion: @escaping (Result<LogSweep, KeeperError>) -> Void,
    ) {
        loop.preconditionOnThread()
        guard !isClosed else { return loop.onNextTick { completion(.failure(.closed)) } }
        queueWork(onDirectory: { [paths] in KeeperManager.sweep(paths, maximumBytes) }, completion: completion)
    }

    private static func sweep(_ paths: KeeperPaths, _ maximumBytes: Int) -> Result<LogSweep, KeeperError> {
        names(in: paths, endingIn: [KeeperPaths.logEnd]).map { sweep($0, paths, maximumBytes) }
    }

    private static func sweep(_ names: [String], _ paths: KeeperPaths, _ maximumBytes: Int) -> LogSweep {
        var sweep = LogSweep()
        for name in names {
            let sessions = sessions(ofLogNamed: name, paths)
            guard !sessions.isEmpty else { continue }
            sweep.examined += 1
            do throws(UVError) {
                let path = paths.directory + "/" + name
                let size = try Files.status(of: path, followingLinks: false).size
                guard size > UInt64(max(0, maximumBytes)) else { continue }
                let isInUse = sessions.contains { KeeperInspection.finding($0, paths: paths).mayLive }
                guard !isInUse else {
                    sweep.inUse += 1
                    continue
                }
                let file = try OpenFile(path, .readWrite)
                defer { file.close() }
                guard OwnerTrust.trusts(file.statusAtOpening.owner) else { throw .notPermitted }
                try file.truncate()
                sweep.truncated += 1
                sweep.bytesFreed += size
            } catch {
                sweep.failed += 1
            }
        }
        return sweep
    }

    /// The sessions a log may belong to: `keeper-launch-x.log` is the launch log of `x` and the log of `launch-x`.
    private static func sessions(ofLogNamed name: String, _ paths: KeeperPaths) -> [SessionID] {
        if let session = paths.sessionID(ofKeeperLogNamed: name) { return [session] }
        guard let session = paths.sessionID(ofLaunchLogNamed: name) else { return [] }
        let other = try? SessionID("launch-\(session)")
        return other.map { [session, $0] } ?? [session]
    }
}
