internal import KeeperProtocol
internal import UVLoop

/// The state of a session's child, known by the identity that is kept with its pid file, or by its parent. A number alone
/// says nothing, since it may be another process's by now.
enum ChildFinding: Hashable, Sendable {
    /// A process that runs is shown to be the child.
    case running(pid: Int32)
    /// The child has ended, and its keeper, which has not noticed, is shown to be its parent: a zombie has one.
    case dead(pid: Int32)
    /// An original keeper's child, whose number is nobody's. The original knows no better either.
    case gone
    /// Nothing is shown. The file may be missing, and a keeper that cannot write it goes on without; it may be a
    /// predecessor's, which a keeper that is just starting has not removed yet; or come from another pid namespace.
    case unknown

    /// The child's pid, if it is shown to be the child's.
    var pid: Int32? {
        switch self {
        case .running(let pid), .dead(let pid): pid
        case .gone, .unknown: nil
        }
    }

    /// True if it is shown to have ended.
    var isDead: Bool {
        switch self {
        case .dead, .gone: true
        case .running, .unknown: false
        }
    }

    /// - Parameters:
    ///   - file: the child's pid file.
    ///   - finding: what was found of the keeper.
    ///   - named: the pid in the keeper's own pid file.
    init(_ file: PIDFile, of finding: KeeperInspection.Finding, _ proof: KeeperInspection.Proof?, named: Int32?) {
        var keeper: Int32?
        if case .live(let pid) = finding { keeper = pid }
        self = .unknown
        guard let pid = file.pid else { return }
        guard let details = ProcessDetails(of: pid) else {
            // Root takes no such word: whoever owns the directory could have written it.
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
