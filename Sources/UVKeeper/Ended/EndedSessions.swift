internal import KeeperProtocol
internal import UVLoop

/// The leftovers of ended sessions: records, output, logs. Safe on any thread; no function waits.
enum EndedSessions {
    /// The records of the ended sessions, the latest first. A session whose keeper was lost has that as its end, even
    /// if its record does not say so. No file is changed.
    static func list(_ paths: KeeperPaths, _ names: [String]) -> [SessionRecord] {
        var records: [SessionRecord] = []
        for name in names {
            guard let session = paths.sessionID(ofRecordNamed: name),
                var record = SessionRecord(at: paths.record(for: session)), record.session == session.rawValue
            else { continue }
            if record.exit == nil {
                guard !KeeperInspection.finding(session, paths: paths).mayLive else { continue }
                // The session may have ended since the record was read.
                record = SessionRecord(at: paths.record(for: session)) ?? record
                if record.exit == nil { record.exit = SessionExit(reason: .keeperLost, at: SessionRecord.now) }
            }
            records.append(record)
        }
        return records.sorted { ($0.exit?.at ?? "") > ($1.exit?.at ?? "") }
    }

    // MARK: Pruning

    /// The sessions pruned, and the bytes freed.
    struct Pruned: Sendable {
        var sessions: [SessionID] = []
        var bytes: UInt64 = 0
    }

    /// Removes the leftovers of sessions that ended longer ago than `age`, and of all but the latest `count`.
    ///
    /// - Parameter names: all names in the directory.
    static func prune(_ paths: KeeperPaths, _ names: [String], olderThan age: Duration, keeping count: Int) -> Pruned {
        let now = SystemClock.wallClockTime
        var candidates: [(session: SessionID, endedAt: Duration)] = []
        for name in names {
            guard let session = paths.sessionID(ofRecordNamed: name) else { continue }
            do throws(UVError) {
                let status = try Files.status(of: paths.record(for: session), followingLinks: false)
                guard status.kind != .directory else { continue }
                candidates.append((session, status.modifiedAt))
            } catch {
                continue
            }
        }
        candidates.sort { $0.endedAt > $1.endedAt }
        var pruned = Pruned()
        var kept = 0
        let segments = Dictionary(grouping: names.compactMap { SegmentName($0) }) { $0.session }
        for (session, endedAt) in candidates {
            let isOld = now - endedAt > age
            guard isOld || kept >= count else {
                // A living session does not count; the check is made only if there are many records.
                if candidates.count <= count || hasEnded(session, paths) { kept += 1 }
                continue
            }
            if let bytes = prune(session, paths, segments[session] ?? []) {
                pruned.sessions.append(session)
                pruned.bytes.addClamped(bytes)
            }
        }
        removeOrphans(paths, names, olderThan: age, &pruned)
        return pruned
    }

    private static func hasEnded(_ session: SessionID, _ paths: KeeperPaths) -> Bool {
        SessionRecord(at: paths.record(for: session))?.exit != nil
    }

    /// Removes the leftovers of a session, if it has ended.
    ///
    /// The record is judged, renamed and judged again: a keeper that starts the session anew in between has written its
    /// own.
    ///
    /// - Parameter segments: the session's kept output.
    /// - Returns: the number of bytes removed; nil if the session has not ended.
    private static func prune(_ session: SessionID, _ paths: KeeperPaths, _ segments: [SegmentName]) -> UInt64? {
        let path = paths.record(for: session)
        let finding = KeeperInspection.finding(session, paths: paths)
        guard !finding.mayLive else { return nil }
        let judged = SessionRecord(at: path)
        // A record that does not parse belongs to no session. A record of a lost keeper that cannot be updated, on a
        // full disk, is removed too.
        let isLost = judged != nil && judged?.exit == nil
        if finding == .dead || isLost {
            // A child that runs on keeps the leftovers of its session.
            guard KeeperCleanup.remove(session, paths: paths, makesPIDFile: true),
                KeeperInspection.finding(session, paths: paths) == .absent
            else { return nil }
        }
        let temporary = paths.temporaryFile(for: path, random: .random(in: .min ... .max))
        do throws(UVError) {
            try Files.rename(path, to: temporary)
            let found = SessionRecord(at: temporary)
            guard found?.epoch == judged?.epoch else {
                do throws(UVError) { try Files.rename(temporary, toNew: path) } catch .exists {
                    try Files.unlink(temporary)
                }
                return nil
            }
            var bytes = size(temporary)
            try Files.unlink(temporary)
            if let judged { LeftGroups.remove(of: judged) }
            if let epoch = judged?.epoch {
                for segment in segments where segment.epoch == epoch {
                    bytes.addClamped(remove(paths.segment(segment)))
                }
                bytes.addClamped(remove(paths.reserve(for: session, epoch: epoch)))
            }
            guard KeeperInspection.finding(session, paths: paths) == .absent else { return bytes }
            for log in [paths.log(for: session), paths.launchLog(for: session)]
            where !isAnothers(log, than: session, paths) {
                bytes.addClamped(remove(log))
            }
            return bytes
        } catch {
            return nil
        }
    }

    /// True if a log is another session's as well, which has not been pruned: the launch log of session `x` has the name of
    /// the log of session `launch-x`.
    private static func isAnothers(_ log: String, than session: SessionID, _ paths: KeeperPaths) -> Bool {
        let name = session.rawValue
        let names = ["launch-" + name] + (name.hasPrefix("launch-") ? [String(name.dropFirst(7))] : [])
        return names.contains { name in
            do throws(SessionIDError) {
                let other = try SessionID(name)
                return [paths.log(for: other), paths.launchLog(for: other)].contains(log)
                    && (KeeperConnect.isPresent(paths.record(for: other))
                        || KeeperInspection.finding(other, paths: paths).mayLive)
            } catch {
                return false
            }
        }
    }

    /// Removes output whose record is gone.
    private static func removeOrphans(
        _ paths: KeeperPaths, _ names: [String], olderThan age: Duration, _ pruned: inout Pruned,
    ) {
        let now = SystemClock.wallClockTime
        var epochs: [SessionID: String?] = [:]
        for name in names {
            let segment = SegmentName(name)
            let reserve = segment == nil ? KeeperPaths.reserve(named: name) : nil
            guard let session = segment?.session ?? reserve?.session, let epoch = segment?.epoch ?? reserve?.epoch
            else {
                continue
            }
            let path = segment.map { paths.segment($0) } ?? paths.reserve(for: session, epoch: epoch)
            let current: String?
            if let known = epochs[session] {
                current = known
            } else {
                current = SessionRecord(at: paths.record(for: session))?.epoch
                epochs.updateValue(current, forKey: session)
            }
            do throws(UVError) {
                guard current != epoch,
                    now - (try Files.status(of: path, followingLinks: false).modifiedAt) > age,
                    current != nil || !KeeperInspection.finding(session, paths: paths).mayLive
                else { continue }
                pruned.bytes.addClamped(remove(path))
            } catch {
                continue
            }
        }
    }

    private static func size(_ path: String) -> UInt64 {
        do throws(UVError) { return try Files.status(of: path, followingLinks: false).size } catch { return 0 }
    }

    /// Removes a file.
    ///
    /// - Returns: the number of bytes it had; 0 if there is none, or it cannot be removed.
    private static func remove(_ path: String) -> UInt64 {
        let bytes = size(path)
        do throws(UVError) {
            try Files.unlink(path)
            return bytes
        } catch {
            return 0
        }
    }
}
