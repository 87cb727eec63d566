internal import KeeperProtocol
internal import UVLoop

/// What is found out about one session's keeper from its files, its socket and the system, changing nothing.
///
/// A pid in a file is not an identity: numbers are used again. A process counts as the session's keeper only if it holds the
/// lock on the pid file and is named in it or serves the socket (ours), or listens on the session's socket (the original,
/// which has no lock). Only such a process is ever signalled. One that merely has the pid, and the session's name among its
/// arguments, may be an original keeper that lost its socket, or `sleep 100` in place of the keeper of session 100: it is
/// left alone. Safe on any thread; nothing here waits. A live keeper costs 13 system calls, 5 of them for the finding.
struct KeeperInspection: Sendable {
    enum Finding: Hashable, Sendable {
        /// A keeper lives; `pid` is nil if the system does not tell which process serves the socket.
        case live(pid: Int32?)
        /// Something lives that cannot be shown to be the keeper, nor not to be: it is left alone and never signalled.
        case undecided(pid: Int32?)
        /// The files are there, the keeper is not.
        case dead
        /// There is neither pid file nor socket.
        case absent

        /// Whether a keeper lives, or may.
        var mayLive: Bool {
            switch self {
            case .live, .undecided: true
            case .dead, .absent: false
            }
        }
    }

    let session: SessionID
    let finding: Finding
    /// What the child-pid file says; nil if absent, unreadable, left behind by an earlier keeper, or from another pid
    /// namespace.
    let childPID: Int32?
    /// Whether the child lives, as far as its pid file tells: absent means alive, and so does a keeper that has another pid
    /// than its own file says, since another pid namespace numbers the child differently too.
    let isChildAlive: Bool
    /// When the pid file was written, since 1970; nil if there is none.
    let since: Duration?

    /// - Parameter looksForChild: false: the child's file is not read, and the child counts as alive.
    init(_ session: SessionID, paths: KeeperPaths, looksForChild: Bool = true) {
        self.session = session
        let pidFile = PIDFile(lockable: paths.keeperPID(for: session))
        since = pidFile.since
        finding = KeeperInspection.finding(session, paths: paths, pidFile: pidFile)
        let childFile = looksForChild ? PIDFile(paths.childPID(for: session)) : PIDFile()
        // A keeper writes the child's file after its own; an older one is a killed predecessor's, whose child is long gone
        // while this one is about to start.
        let isLeftBehind = if let own = pidFile.since, let its = childFile.since { its < own } else { false }
        let isMisnamed = if case .live(let pid?) = finding { pid != pidFile.pid } else { false }
        childPID = isLeftBehind || isMisnamed ? nil : childFile.pid
        isChildAlive = isMisnamed || childPID.map { Processes.liveness(of: $0) != .gone } ?? true
    }

    /// The finding alone.
    static func finding(_ session: SessionID, paths: KeeperPaths) -> Finding {
        finding(session, paths: paths, pidFile: PIDFile(lockable: paths.keeperPID(for: session)))
    }

    /// Whether a process that was found to be the session's keeper still is: it holds the lock, whatever its pid file says
    /// by now, or serves the socket.
    static func isStillKeeper(_ pid: Int32, of session: SessionID, paths: KeeperPaths) -> Bool {
        if let owner = PIDFile(lockable: paths.keeperPID(for: session)).lockedBy { return owner == pid }
        guard case .accepting(let listener) = SocketProbe(paths.socket(for: session)) else { return false }
        // With a full backlog the system does not name the listener, and nobody is signalled on a guess.
        return listener == pid
    }

    private static func finding(_ session: SessionID, paths: KeeperPaths, pidFile: PIDFile) -> Finding {
        if let owner = pidFile.lockedBy {
            if owner == pidFile.pid { return .live(pid: owner) }
            // A damaged file whose lock belongs to the process that serves the socket is that keeper's all the same. Any
            // other owner is a keeper taking over, or a server cleaning up, or a stranger.
            if case .accepting(owner) = SocketProbe(paths.socket(for: session)) { return .live(pid: owner) }
            return .undecided(pid: nil)
        }
        switch SocketProbe(paths.socket(for: session)) {
        // An empty or unreadable pid file with an accepting socket is a live keeper. With a full backlog the system does not
        // name the listener.
        case .accepting(let pid): return .live(pid: pid)
        // Cannot be told now (no descriptors, no permission): nothing is removed on a guess.
        case .failed: return .undecided(pid: pidFile.pid)
        case .missing where !pidFile.exists: return .absent
        case .refused, .missing: break
        }
        if pidFile.isUndecided { return .undecided(pid: nil) }
        return pidFile.pid.map { KeeperInspection.mayBeKeeper($0, of: session) } == true
            ? .undecided(pid: pidFile.pid) : .dead
    }

    /// Whether a process could be an original keeper of the session.
    private static func mayBeKeeper(_ pid: Int32, of session: SessionID) -> Bool {
        guard Processes.liveness(of: pid) != .gone else { return false }
        return arguments(of: pid, name: session) ?? true
    }

    /// Nil if the system does not show the arguments.
    private static func arguments(of pid: Int32, name session: SessionID) -> Bool? {
        ProcessDetails.arguments(of: pid)?.dropFirst().contains(session.rawValue)
    }

    private struct PIDFile {
        var exists = false
        /// It could not be read for want of permission or resources.
        var isUndecided = false
        var pid: Int32?
        var lockedBy: Int32?
        var since: Duration?

        /// A file that a keeper may hold locked.
        init(lockable path: String) {
            self.init(path) { (file) throws(UVError) in
                guard case .process(let owner) = try file.lockHolder() else { return nil }
                return owner
            }
        }

        /// None.
        init() {}

        init(_ path: String, lockHolder: (OpenFile) throws(UVError) -> Int32? = { _ in nil }) {
            do throws(UVError) {
                let file = try OpenFile(path, .readOnly)
                defer { file.close() }
                exists = true
                since = file.statusAtOpening.modifiedAt
                pid = try withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer throws(UVError) in
                    KeeperInspection.pid(from: try file.readOnce(into: buffer))
                }
                lockedBy = try lockHolder(file)
            } catch {
                switch error {
                case .noEntry: break
                // Something that is no file has its name, and says nothing.
                case .symbolicLink, .isDirectory, .invalidArgument: exists = true
                default:
                    exists = true
                    isUndecided = true
                }
            }
        }
    }

    /// A positive decimal number, white space around it ignored.
    private static func pid(from bytes: UnsafeRawBufferPointer) -> Int32? {
        let isSpace = { (byte: UInt8) in byte <= UInt8(ascii: " ") }
        guard let first = bytes.firstIndex(where: { !isSpace($0) }), let last = bytes.lastIndex(where: { !isSpace($0) })
        else { return nil }
        var pid: Int32 = 0
        for byte in bytes[first...last] {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            let (tens, isHuge) = pid.multipliedReportingOverflow(by: 10)
            let (sum, isHuger) = tens.addingReportingOverflow(Int32(byte - UInt8(ascii: "0")))
            guard !isHuge, !isHuger else { return nil }
            pid = sum
        }
        return pid > 0 ? pid : nil
    }
}
