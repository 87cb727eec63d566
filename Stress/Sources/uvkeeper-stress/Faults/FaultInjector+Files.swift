import UVKeeper

/// Faults in the sessions directory.
extension FaultInjector {
    /// Moves both sockets away, perhaps with something else in their places, and back later.
    func hideSockets(_ planned: Planned, _ session: Session, _ life: Life, replacing: Bool) {
        let paths = engine.manager.paths
        let hidden = "\(engine.run.directory)/hidden-\(session.index)"
        // The raw socket goes first and comes back last: without a channel beside it, it would be an original keeper's.
        let places = [
            (paths.socket(for: session.name), hidden + "-raw"), (paths.channel(for: session.name), hidden + "-channel"),
        ]
        let record = begin(replacing ? .socketReplaced : .socketRemoved, session)
        for (path, hidden) in places {
            do throws(UVError) {
                try Files.rename(path, to: hidden)
                if replacing { try write("not a socket", to: path) }
            } catch {
                record.fail(error)
            }
        }
        end(record, after: planned.duration) {
            for (path, hidden) in places.reversed() {
                do throws(UVError) {
                    // A keeper that has ended meanwhile takes its names with it.
                    if session.current === life {
                        try Files.rename(hidden, to: path)
                    } else {
                        try Files.unlinkIfPresent(hidden)
                    }
                } catch {
                    record.note += "; back: \(error)"
                }
            }
        }
    }

    /// Writes garbage into a live keeper's pid file, and makes empty and garbage files of keepers that never were; a
    /// discovery must then find exactly the live keepers.
    func garblePIDFiles(_ planned: Planned, _ session: Session) {
        let record = begin(.pidFileGarbled, session)
        let paths = engine.manager.paths
        // The names are the fault's own: another such fault may come before this one's discovery has ended.
        let ghosts = "ghost-\(record.start)-"
        let garbage = ["", "not a pid", "-1", "0", "99999999999999999999", "\u{0}\u{1}"]
        do throws(UVError) {
            let file = try OpenFile(paths.keeperPID(for: session.name), .readWrite)
            defer { file.close() }
            session.current?.isPIDFileGarbled = true
            try file.truncate()
            try file.write(Array(garbage[Int(planned.number % UInt64(garbage.count))].utf8))
            for (number, text) in garbage.enumerated() {
                try write(text, to: "\(engine.run.sessions)/\(ghosts)\(number).rpc.sock.pid")
            }
        } catch {
            record.fail(error)
        }
        end(record, after: .milliseconds(10)) { [unowned self] in discover(record, removing: ghosts) }
    }

    /// A thousand dead keepers' files, and a discovery that has to remove them all.
    func litter(_ planned: Planned) {
        let count = 1000 + Int(planned.number % 1000)
        let record = begin(.staleFiles, nil, note: "\(count) dead keepers")
        engine.extraOutstanding += 1
        let prefix = "stale-\(record.start)-"
        let base = "\(engine.run.sessions)/\(prefix)"
        // The files are made in the thread pool, so that this does not block the loop.
        let littered = { [self] (failure: StressError?) in
            engine.extraOutstanding -= 1
            if let failure { record.fail(failure) }
            record.end = engine.clock.microseconds
            discover(record, removing: prefix)
        }
        do throws(UVError) {
            try engine.loop.queueWork(
                { () -> StressError? in
                    for number in 0..<count {
                        do throws(UVError) {
                            try FaultInjector.makeStale("\(base)\(number)")
                        } catch {
                            return StressError("\(number) made: \(error)")
                        }
                    }
                    return nil
                }, completion: littered)
        } catch {
            littered(StressError("none made: \(error)"))
        }
    }

    /// Makes the files of one dead keeper, all or none. The pid file comes last: another server's discovery finds the
    /// others by it.
    private static func makeStale(_ base: String) throws(UVError) {
        do throws(UVError) {
            try write("", to: base + ".rpc.sock")
            // The pid is above the kernel's limit, so no process has it.
            try write("4194999", to: base + ".rpc.sock.pi-pid")
            try write("4194999", to: base + ".rpc.sock.pid")
        } catch {
            for suffix in ["", ".pi-pid", ".pid"] { try Files.unlinkIfPresent(base + ".rpc.sock" + suffix) }
            throw error
        }
    }

    /// - Parameter prefix: the beginning of dead keepers' names, which must be gone afterwards.
    private func discover(_ record: FaultRecord, removing prefix: String) {
        let before = engine.sessions.filter { $0.current != nil }.map { ($0, $0.lives.count) }
        let begun = engine.clock.microseconds
        engine.extraOutstanding += 1
        engine.discoveries.start { [self] result in
            let time = Texts.time(Double(engine.clock.microseconds - begun) / 1000)
            switch result {
            case .failure(let error):
                record.note += "; discovery failed: \(error)"
                if !wasExhausted(since: begun) { engine.early.add(.discovery, "it failed: \(error)") }
            case .success(let discovery):
                record.note += "; discovery took \(time), removed \(discovery.removed.count)"
                let found = Set(discovery.keepers.map(\.session.rawValue))
                let harmed = Set((discovery.removed + discovery.terminated).map(\.rawValue))
                for (session, lives) in before where session.current != nil && session.lives.count == lives {
                    guard !wasEnding(session, since: begun) else { continue }
                    if !found.contains(session.id) || harmed.contains(session.id) {
                        engine.early.add(.discovery, "session \(session.index) lives and was not found, or was ended")
                    }
                }
            }
        } settled: { [self] in
            engine.extraOutstanding -= 1
            checkRemoved(prefix, since: begun)
        }
    }

    private func checkRemoved(_ prefix: String, since begun: UInt64) {
        guard !othersDiscovered(since: begun), !wasExhausted(since: begun) else { return }
        do throws(UVError) {
            let left = try engine.run.abandoned(prefix)
            engine.early.add(
                .discovery, count: left.count, "\(left.count) files of dead keepers were not removed: \(left.prefix(3))"
            )
        } catch {
            engine.early.add(.discovery, "what it left cannot be listed: \(error)")
        }
    }

    /// True if another process may have discovered since `time`: if it was killed, or stopped within a race, the files
    /// it was removing stay; the end of the run shows if another process removes them.
    func othersDiscovered(since time: UInt64) -> Bool {
        if let server = engine.server, server.progress?.isWriting != true { return true }
        return engine.faults.contains {
            ($0.kind == .serverKilled || $0.kind == .discoveryRace) && $0.end ?? .max >= time
        }
    }

    private func wasExhausted(since time: UInt64) -> Bool {
        engine.faults.contains { $0.kind == .descriptorsExhausted && $0.end ?? .max >= time }
    }

    /// True if a fault was ending the session's keeper or child at `time` or later.
    private func wasEnding(_ session: Session, since time: UInt64) -> Bool {
        engine.faults.contains {
            ($0.kind == .keeperKilled || $0.kind.killsChild) && $0.session == session.index
                && $0.end ?? .max >= time
        }
    }

    private func write(_ text: String, to path: String) throws(UVError) { try FaultInjector.write(text, to: path) }

    private static func write(_ text: String, to path: String) throws(UVError) {
        let file = try OpenFile(path, .append)
        defer { file.close() }
        if !text.isEmpty { try file.write(Array(text.utf8)) }
    }
}
