public import KeeperProtocol
internal import UVLoop

/// The findings and actions of a sweep of logs.
public struct LogSweep: Hashable, Sendable, Codable {
    /// The keepers' logs examined; launch logs do not count.
    public var examined = 0
    /// Logs cut to nothing.
    public var truncated = 0
    /// Bytes that the truncated logs had.
    public var bytesFreed: UInt64 = 0
    /// Oversized logs left alone because their session has a keeper, or because they were written to a moment ago.
    public var inUse = 0
    /// Oversized logs that could not be cut.
    public var failed = 0
    /// Bytes that all logs have now.
    public var bytes: UInt64 = 0
    /// The bytes of the largest log.
    public var largest: UInt64 = 0
}

extension KeeperManager {
    /// The time for which a log must not have been written to before a sweep cuts it.
    public static let logRest = Duration.seconds(300)

    /// Cuts logs to nothing that have reached the limit, have not been written to for a while, and whose session has no
    /// keeper; such logs are removed when their session is pruned. `completion` runs once, on a later tick; the work is
    /// done in libuv's thread pool. Launch logs are left alone. Mirrors the original's sweep.
    ///
    /// - Parameters:
    ///   - maximumBytes: the limit; by default the keepers' own.
    ///   - rest: the time for which a log must not have been written to.
    ///   - completion: called with the findings and actions.
    public func sweepLogs(
        from maximumBytes: Int = KeeperConstants.defaultLogMaximumBytes, untouchedFor rest: Duration = logRest,
        completion: @escaping (Result<LogSweep, KeeperError>) -> Void,
    ) {
        loop.preconditionOnThread()
        guard !isClosed else { return loop.onNextTick { completion(.failure(.closed)) } }
        queueWork(onDirectory: { [paths] in
            KeeperManager.names(in: paths, endingIn: [KeeperPaths.logEnd]).map {
                KeeperManager.sweep($0, paths, maximumBytes, rest)
            }
        }) { result in
            if case .success(let sweep) = result { self.noteLogs(sweep) }
            completion(result)
        }
    }

    private static func sweep(
        _ names: [String], _ paths: KeeperPaths, _ maximumBytes: Int, _ rest: Duration,
    ) -> LogSweep {
        var sweep = LogSweep()
        let now = SystemClock.wallClockTime
        for name in names {
            guard let session = paths.sessionID(ofKeeperLogNamed: name) else { continue }
            sweep.examined += 1
            do throws(UVError) {
                let path = paths.directory + "/" + name
                let status = try Files.status(of: path, followingLinks: false)
                // The log is counted as it is left, on every way out.
                var left = status.size
                defer {
                    sweep.bytes.addClamped(left)
                    sweep.largest = max(sweep.largest, left)
                }
                guard status.size >= UInt64(max(1, maximumBytes)) else { continue }
                guard now - status.modifiedAt >= rest, !KeeperInspection.finding(session, paths: paths).mayLive else {
                    sweep.inUse += 1
                    continue
                }
                let file = try OpenFile(path, .readWrite)
                defer { file.close() }
                guard OwnerTrust.trusts(file.statusAtOpening.owner) else { throw .notPermitted }
                try file.truncate()
                sweep.truncated += 1
                sweep.bytesFreed.addClamped(status.size)
                left = 0
            } catch {
                sweep.failed += 1
            }
        }
        return sweep
    }
}
