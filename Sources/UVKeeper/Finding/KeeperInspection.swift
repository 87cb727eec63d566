internal import KeeperProtocol
internal import UVLoop

/// The findings about a session's keeper from its files, its socket and the system; the inspection changes nothing.
///
/// A pid in a file is not an identity: numbers are used again. A process counts as the session's keeper only by a
/// ``Proof``, and only such a process is ever signalled. A process that merely has the pid, and the session's name
/// among its arguments, may be an original keeper that lost its socket, or `sleep 100` in place of the keeper of
/// session 100: it is left alone. The times of files prove nothing either; `touch` changes nothing. Safe on any thread;
/// the inspection never waits.
struct KeeperInspection: Sendable {
    enum Finding: Hashable, Sendable {
        /// A keeper lives; `pid` is nil if nothing proves which process it is.
        case live(pid: Int32?)
        /// A process lives that cannot be shown to be the keeper, nor not to be: it is left alone and never signalled.
        case undecided(pid: Int32?)
        /// Files exist, but the keeper does not.
        case dead
        /// There is neither pid file nor socket, nor a child's pid file.
        case absent

        /// The keeper's pid; if the finding is undecided, the pid in the file.
        var pid: Int32? {
            switch self {
            case .live(let pid), .undecided(let pid): pid
            case .dead, .absent: nil
            }
        }

        /// True if a keeper lives, or may.
        var mayLive: Bool {
            switch self {
            case .live, .undecided: true
            case .dead, .absent: false
            }
        }
    }

    /// The proof that a process is the keeper.
    enum Proof: Hashable, Sendable {
        /// The process holds the lock on the pid file, and is named in it or serves the socket: a keeper of ours.
        case lock
        /// The process listens on the session's socket and runs, by the kernel's own hold on it: an original keeper,
        /// which has no lock. For root, which may use anybody's directory, only a process of the directory's owner.
        case listener
    }

    let session: SessionID
    let finding: Finding
    /// The proof, if the finding names a live keeper.
    let proof: Proof?
    let child: ChildFinding
    /// The time at which the pid file was written, since 1970; nil if there is none.
    let since: Duration?

    /// The depth of the look at the child.
    enum Closeness: Sendable {
        case notAtAll
        /// Only the child's end is looked for: a discovery of a thousand keepers has no time for more.
        case end
        case full
    }

    init(_ session: SessionID, paths: KeeperPaths, child closeness: Closeness = .full) {
        self.session = session
        let pidFile = PIDFile(lockable: paths.keeperPID(for: session))
        since = pidFile.since
        (finding, proof) = KeeperInspection.finding(session, paths: paths, pidFile: pidFile)
        let path = paths.childPID(for: session)
        switch closeness {
        case .notAtAll: child = .unknown
        case _ where finding == .absent: child = .unknown
        case .end where PIDFile(number: path).pid.map(KeeperInspection.runs) ?? true: child = .unknown
        case .end, .full:
            child = ChildFinding(PIDFile(child: path), of: finding, proof, named: pidFile.pid)
        }
    }

    /// True if a process with this pid runs, whichever it is, or if that cannot be told.
    private static func runs(_ pid: Int32) -> Bool {
        do throws(UVError) { return try !ProcessDescriptor(of: pid).hasEnded } catch { return error != .noProcess }
    }

    /// The finding, without the rest of an inspection.
    static func finding(_ session: SessionID, paths: KeeperPaths) -> Finding {
        look(session, paths: paths).finding
    }

    /// The finding and its proof, without the rest of an inspection.
    static func look(_ session: SessionID, paths: KeeperPaths) -> (finding: Finding, proof: Proof?) {
        finding(session, paths: paths, pidFile: PIDFile(lockable: paths.keeperPID(for: session)))
    }

    /// True if a keeper that could not be reached may be starting: it lives, its pid file is young, and nobody listens on
    /// its raw socket. The sockets of a former keeper that was killed stay until then. True also if the keeper has begun to
    /// listen since, on its channel before its raw socket.
    static func mayBeStarting(_ session: SessionID, after error: KeeperError, paths: KeeperPaths) -> Bool {
        guard error.isAbsence else { return false }
        let pidFile = PIDFile(lockable: paths.keeperPID(for: session))
        guard let since = pidFile.since, SystemClock.wallClockTime - since < KeeperConstants.longestStart,
            finding(session, paths: paths, pidFile: pidFile).0.mayLive
        else { return false }
        return switch SocketProbe(paths.socket(for: session)) {
        case .missing, .refused: true
        // A connection that was reset had reached the keeper.
        case .accepting: !error.isReset && KeeperConnect.isPresent(paths.channel(for: session))
        case .failed: false
        }
    }

    /// True if the keeper that lives has not begun its session: its record names no child, and nobody listens on its raw
    /// socket. One without a record serves all the same: it could not write one, or is older than records.
    func isStarting(keptBy keeper: Int32?, in paths: KeeperPaths) -> Bool {
        guard proof == .lock, child == .unknown else { return false }
        let record = SessionRecord(of: session, keptBy: keeper, in: paths)
        guard record?.child == nil, record?.exit == nil else { return false }
        switch SocketProbe(paths.socket(for: session)) {
        case .missing, .refused: return true
        case .accepting, .failed: return false
        }
    }

    /// The process that holds the lock on the session's pid file now.
    static func lockHolder(of session: SessionID, paths: KeeperPaths) -> Int32? {
        PIDFile(lockable: paths.keeperPID(for: session)).lockedBy
    }

    /// Probes the session's socket; finds the process that counts as its keeper because it listens there.
    static func listener(
        of session: SessionID, paths: KeeperPaths,
    ) -> (probe: SocketProbe, process: ProcessDescriptor?) {
        let (probe, listener) = SocketProbe.withListener(paths.socket(for: session))
        guard let listener else { return (probe, nil) }
        // A user who can write to a directory can make a path in it lead to any process's socket.
        guard CurrentProcess.userID != 0 || isOwner(listener.userID, of: paths.directory) else {
            return (.accepting(pid: nil), nil)
        }
        return (probe, listener.process)
    }

    private static func isOwner(_ user: UInt32, of directory: String) -> Bool {
        do throws(UVError) { return try Files.status(of: directory).owner == user } catch { return false }
    }

    private static func finding(_ session: SessionID, paths: KeeperPaths, pidFile: PIDFile) -> (Finding, Proof?) {
        if let owner = pidFile.lockedBy {
            if owner == pidFile.pid { return (.live(pid: owner), .lock) }
            // A damaged file locked by the process that serves the socket is still that keeper's. Any other owner of
            // the lock is a keeper taking over, a server cleaning up, or a stranger.
            if case .accepting(owner) = SocketProbe(paths.socket(for: session)) { return (.live(pid: owner), .lock) }
            return (.undecided(pid: nil), nil)
        }
        let (probe, listener) = listener(of: session, paths: paths)
        switch probe {
        // An accepting socket with an empty or unreadable pid file is a live keeper's. If the backlog is full, or the
        // process that called listen has ended, it is not known which process that is.
        case .accepting: return (.live(pid: listener?.pid), listener.map { _ in .listener })
        // No keeper can listen at such a path; a keeper that knows the directory by a shorter path has a pid file too.
        case .failed(.nameTooLong) where !pidFile.exists:
            return (PIDFile(child: paths.childPID(for: session)).exists ? .dead : .absent, nil)
        // The state cannot be told now (no descriptors, no permission): no file is removed on a guess.
        case .failed: return (.undecided(pid: pidFile.pid), nil)
        case .missing where !pidFile.exists:
            return (PIDFile(child: paths.childPID(for: session)).exists ? .dead : .absent, nil)
        case .refused, .missing: break
        }
        if pidFile.isUndecided { return (.undecided(pid: nil), nil) }
        return pidFile.pid.map { KeeperInspection.mayBeKeeper($0, of: session) } == true
            ? (.undecided(pid: pidFile.pid), nil) : (.dead, nil)
    }

    /// True if a process could be an original keeper of the session.
    private static func mayBeKeeper(_ pid: Int32, of session: SessionID) -> Bool {
        guard Processes.liveness(of: pid) != .gone else { return false }
        return arguments(of: pid, name: session) ?? true
    }

    /// True if the process's arguments name the session; nil if the system does not show them.
    private static func arguments(of pid: Int32, name session: SessionID) -> Bool? {
        ProcessDetails.arguments(of: pid)?.dropFirst().contains(session.rawValue)
    }
}
