internal import KeeperProtocol
internal import UVLoop

/// What is found out about one session's keeper from its files, its socket and the system, changing nothing.
///
/// A pid in a file is not an identity: numbers are used again. A process counts as the session's keeper only if it holds the
/// lock on the pid file and is named in it or serves the socket (ours), or listens on the session's socket (the original, which has no lock). Only such
/// a process is ever signalled. One that merely has the pid, and the session's name among its arguments, may be an original
/// keeper that lost its socket, or `sleep 100` in place of the keeper of session 100: it is left alone. Safe on any thread;
/// nothing here waits.
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
    /// When the live keeper started; with the pid, this tells it from a later process of the same number.
    let startTime: Duration?
    /// What the child-pid file says; nil if absent, unreadable, or left behind by an earlier keeper.
    let childPID: Int32?

    /// When the pid file was written, since 1970; nil if there is none.
    let since: Duration?

    init(_ session: SessionID, paths: KeeperPaths) {
        self.session = session
        let pidFile = PIDFile(paths.keeperPID(for: session))
        since = pidFile.since
        let childFile = PIDFile(paths.childPID(for: session))
        // A keeper writes the child's file after its own; an older one is a killed predecessor's, whose child is long gone
        // while this one is about to start.
        let isLeftBehind = if let own = pidFile.since, let its = childFile.since { its < own } else { false }
        childPID = isLeftBehind ? nil : childFile.pid
        let finding = KeeperInspection.finding(session, paths: paths, pidFile: pidFile)
        guard case .live(let pid?) = finding else {
            self.finding = finding
            startTime = nil
            return
        }
        startTime = ProcessDetails(of: pid)?.startTime
        // Only if it is the keeper before and after is the time in between the keeper's.
        let again = KeeperInspection.finding(
            session, paths: paths, pidFile: PIDFile(paths.keeperPID(for: session)))
        self.finding = again == finding ? finding : .undecided(pid: pid)
    }

    /// Whether the child lives, as far as its pid file tells: absent means alive.
    var isChildAlive: Bool {
        guard let childPID else { return true }
        return Processes.liveness(of: childPID) != .gone
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
        guard let arguments = ProcessDetails.arguments(of: pid) else { return true }
        return arguments.dropFirst().contains(session.rawValue)
    }

    private struct PIDFile {
        var exists = false
        /// It could not be read for want of permission or resources.
        var isUndecided = false
        var pid: Int32?
        var lockedBy: Int32?
        var since: Duration?

        init(_ path: String) {
            do throws(UVError) {
                let file = try OpenFile(path, .readOnly)
                defer { file.close() }
                exists = true
                since = file.statusAtOpening.modifiedAt
                pid = KeeperInspection.pid(
                    from: try file.read(from: 0, limit: min(64, Int(clamping: file.statusAtOpening.size))))
                if case .process(let owner) = try file.lockHolder() { lockedBy = owner }
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
    private static func pid(from bytes: [UInt8]) -> Int32? {
        let text = bytes.filter { $0 > UInt8(ascii: " ") }
        guard let pid = Int32(String(decoding: text, as: UTF8.self)), pid > 0 else { return nil }
        return pid
    }
}
