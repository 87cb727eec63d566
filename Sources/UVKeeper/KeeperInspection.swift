internal import KeeperProtocol
internal import UVLoop

/// What is found out about one session's keeper from its files, its socket and the system, changing nothing.
///
/// A pid in a file is not an identity: numbers are used again. A process counts as the session's keeper only if something
/// ties it to the session: it holds the lock on the pid file (ours), it is the one that listens on the session's socket, or
/// it was started with the session id as an argument (the original keeper, which has no lock). Only such a process is ever
/// signalled. Safe on any thread; nothing here waits.
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
    }

    let session: SessionID
    let finding: Finding
    /// What the child-pid file says; nil if absent or unreadable.
    let childPID: Int32?
    /// The pid file's last change.
    let since: Duration?

    init(_ session: SessionID, paths: KeeperPaths) {
        self.session = session
        let pidFile = KeeperInspection.pidFile(paths.keeperPID(for: session))
        since = pidFile.since
        childPID = KeeperInspection.pid(in: paths.childPID(for: session))
        finding = KeeperInspection.finding(session, paths: paths, pidFile: pidFile)
    }

    /// Whether the child lives, as far as its pid file tells: absent means alive.
    var isChildAlive: Bool {
        guard let childPID else { return true }
        return Processes.liveness(of: childPID) != .gone
    }

    private struct PIDFile {
        var exists = false
        var pid: Int32?
        var lockedBy: Int32?
        var since: Duration?
    }

    private static func finding(_ session: SessionID, paths: KeeperPaths, pidFile: PIDFile) -> Finding {
        if let owner = pidFile.lockedBy { return .live(pid: owner) }
        // Unlocked: our keeper is dead, an original one may live.
        var isUnidentified = false
        if let pid = pidFile.pid, Processes.liveness(of: pid) != .gone {
            switch ProcessDetails.arguments(of: pid) {
            case .some(let arguments) where arguments.dropFirst().contains(session.rawValue): return .live(pid: pid)
            case .some: break
            case .none: isUnidentified = true
            }
        }
        switch SocketProbe(paths.socket(for: session)) {
        // An empty or unreadable pid file with an accepting socket is a live keeper.
        case .accepting(let pid): return .live(pid: pid)
        // Cannot be told now (no descriptors, no permission): nothing is removed on a guess.
        case .failed: return .undecided(pid: pidFile.pid)
        case .refused: return isUnidentified ? .undecided(pid: pidFile.pid) : .dead
        case .missing:
            if isUnidentified { return .undecided(pid: pidFile.pid) }
            return pidFile.exists ? .dead : .absent
        }
    }

    private static func pidFile(_ path: String) -> PIDFile {
        var result = PIDFile()
        do throws(UVError) {
            let file = try OpenFile(path, .readOnly)
            defer { file.close() }
            result.exists = true
            result.since = file.statusAtOpening.modifiedAt
            result.pid = pid(from: try file.read(from: 0, limit: min(64, Int(clamping: file.statusAtOpening.size))))
            if case .process(let owner) = try file.lockHolder() { result.lockedBy = owner }
        } catch {
            // Missing, or unreadable: no permission, or no file at all. What it says is then not known, and the socket
            // decides.
            if error != .noEntry { result.exists = true }
        }
        return result
    }

    private static func pid(in path: String) -> Int32? {
        do throws(UVError) { return pid(from: try Files.read(path, limit: 64)) } catch { return nil }
    }

    /// A positive decimal number, white space around it ignored.
    private static func pid(from bytes: [UInt8]) -> Int32? {
        let text = bytes.filter { $0 > UInt8(ascii: " ") }
        guard let pid = Int32(String(decoding: text, as: UTF8.self)), pid > 0 else { return nil }
        return pid
    }
}
