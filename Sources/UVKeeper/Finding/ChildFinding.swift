internal import KeeperProtocol
internal import UVLoop

/// The state of a session's child, known by the identity kept with its pid file, or by its parent. The number alone
/// proves nothing, since it may be another process's by now.
enum ChildFinding: Hashable, Sendable {
    /// A process that runs is shown to be the child.
    case running(pid: Int32)
    /// The child has ended, and its keeper, which has not noticed, is shown to be its parent: a zombie still has one.
    case dead(pid: Int32)
    /// The child of an original keeper is gone: no process has its number. The original knows no better either.
    case gone
    /// The child's state is not shown. The file may be missing, as a keeper that cannot write it goes on without; it
    /// may be a predecessor's, which a starting keeper has not removed yet; or it may come from another pid namespace.
    case unknown

    /// The child's pid, if it is shown to be the child's.
    var pid: Int32? {
        switch self {
        case .running(let pid), .dead(let pid): pid
        case .gone, .unknown: nil
        }
    }

    /// True if the child is shown to have ended.
    var isDead: Bool {
        switch self {
        case .dead, .gone: true
        case .running, .unknown: false
        }
    }

    /// - Parameters:
    ///   - file: the child's pid file.
    ///   - finding: the finding about the keeper.
    ///   - named: the pid in the keeper's own pid file.
    init(_ file: PIDFile, of finding: KeeperInspection.Finding, _ proof: KeeperInspection.Proof?, named: Int32?) {
        var keeper: Int32?
        if case .live(let pid) = finding { keeper = pid }
        self = .unknown
        guard let pid = file.pid else { return }
        guard let details = ProcessDetails(of: pid) else {
            // Root does not rely on the number alone: the directory's owner could have written it.
            let isOriginals = proof == .listener && keeper == named && file.identity == nil
            if isOriginals, CurrentProcess.userID != 0, Processes.liveness(of: pid) == .gone { self = .gone }
            return
        }
        let isKeepers = keeper.map { $0 == details.parent } ?? false
        guard file.identity?.isOf(details) ?? isKeepers else { return }
        if !details.isZombie {
            self = .running(pid: pid)
        } else if isKeepers {
            self = .dead(pid: pid)
        }
    }
}
