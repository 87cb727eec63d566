internal import CLibUV

/// The processes below another one: its children, their children, and so on.
///
/// After ``becomeSubreaper()`` they include those whose parents have ended, whatever session or group they are in.
/// Linux only; on other systems none is found.
public enum ProcessTree {
    /// Makes this process adopt the descendants whose parents end; it must then collect their status. Mirrors
    /// `prctl(PR_SET_CHILD_SUBREAPER)`.
    ///
    /// - Throws: ``UVError/notSupported`` on a system that cannot do this.
    public static func becomeSubreaper() throws(UVError) {
        #if os(Linux)
        try checkErrno(uvloop_become_subreaper())
        #else
        throw .notSupported
        #endif
    }

    /// True if this process has no child at all, not even one that has ended and is not collected. For a subreaper this
    /// means that no descendant is left.
    public static var isEmpty: Bool { uvloop_has_children() == 0 }

    /// Collects the status of every ended child but one, which its own watcher collects.
    public static func collectEnded(except watched: Int32?) {
        #if os(Linux)
        // The kernel names the watched child first until its watcher has run; the others are then collected by number.
        while true {
            let pid = uvloop_ended_child()
            guard pid > 0 else { return }
            guard pid != watched else { break }
            collect(pid)
        }
        for pid in ownChildren() ?? [] where pid != watched { collect(pid) }
        #endif
    }

    /// The limit of repeated looks: processes that keep starting others and ending would otherwise make a look endless.
    static let lookLimit = 16

    /// True if a process runs below this one, which is a subreaper, and is not left out. The answer is certain, since
    /// no process can leave the tree: the children of an ended process are adopted before its end can be seen, and the
    /// end is visible until it is collected. Collects every child that has ended, so none may be watched any more.
    /// False if the system shows no processes.
    ///
    /// - Parameter isApart: true for a child to leave out, with all processes below it.
    public static func hasDescendants(leavingOut isApart: (Int32) throws(UVError) -> Bool = { _ in false }) -> Bool {
        guard isVisible else { return false }
        for _ in 0..<lookLimit {
            collectEnded(except: nil)
            guard !isEmpty else { return false }
            guard let children = ownChildren() else { return true }
            if children.contains(where: { isRunningChild($0) && !isCertainly(apart: $0, isApart) }) { return true }
            // Otherwise a child may have ended during this look, and the processes it left behind may be missing from
            // the list.
            if uvloop_ended_child() == 0 { return false }
        }
        return true
    }

    private static func isCertainly(apart pid: Int32, _ isApart: (Int32) throws(UVError) -> Bool) -> Bool {
        do throws(UVError) { return try isApart(pid) } catch { return false }
    }

    /// The end of a visit.
    public enum Visit: Hashable, Sendable {
        /// The last look met no process that an earlier one had not met.
        case complete
        /// Processes keep starting others and ending, faster than they can be looked at.
        case unsettled
        /// There was no descriptor or memory to look at all processes.
        case failed(UVError)
    }

    /// Returns every process below another that has not ended, each with a hold on it; parents come before their
    /// children. More may be started meanwhile, so look again.
    ///
    /// - Parameters:
    ///   - root: the process at the top, which is not included; nil: this one.
    ///   - isApart: true for a process to leave out, with all processes below it.
    public static func descendants(
        of root: Int32? = nil,
        leavingOut isApart: (Int32) throws(UVError) -> Bool = { _ in false },
    ) -> [ProcessDescriptor] {
        var found: [ProcessDescriptor] = []
        visit(of: root, leavingOut: isApart) { found.append($0) }
        return found
    }

    /// Visits the same processes one by one, each held during its visit, with two descriptors in all.
    @discardableResult
    public static func visit(
        of root: Int32? = nil,
        leavingOut isApart: (Int32) throws(UVError) -> Bool = { _ in false },
        _ body: (ProcessDescriptor) -> Void,
    ) -> Visit {
        var walk = ProcessWalk(root: root ?? CurrentProcess.id)
        // A walk without a deadline runs to its end.
        return walk.run(leavingOut: isApart, body) ?? .unsettled
    }

    /// True if the system shows processes: there is a `/proc`, of this process's own pid namespace.
    public static var isVisible: Bool { ProcessDirectory.isOwn }

    /// Returns every process of the sessions that these processes lead, by session, without the leaders, each with a
    /// hold on it. Included are orphans, which are below no process any more. Looks once at every process of the
    /// system.
    public static func members(ofSessions leaders: Set<Int32>) -> [Int32: [ProcessDescriptor]] {
        var found: [Int32: [ProcessDescriptor]] = [:]
        for pid in everyProcess() ?? [] where !leaders.contains(pid) {
            // The session is read again after the hold, since the number may have become another process's before it.
            guard let session = session(of: pid), leaders.contains(session), let process = hold(pid),
                self.session(of: pid) == session, !process.hasEnded
            else { continue }
            found[session, default: []].append(process)
        }
        return found
    }

    /// Returns the session of a process; nil if it has ended.
    private static func session(of pid: Int32) -> Int32? {
        let session = getsid(pid)
        return session > 0 ? session : nil
    }

    private static func hold(_ pid: Int32) -> ProcessDescriptor? {
        do throws(UVError) { return try ProcessDescriptor(of: pid) } catch { return nil }
    }

    private static func collect(_ pid: Int32) {
        var status: CInt = 0
        _ = waitpid(pid, &status, WNOHANG)
    }

    static func isRunningChild(_ pid: Int32) -> Bool { uvloop_is_running_child(pid) != 0 }

    /// Returns the children of this process, including ended ones; nil if there is no descriptor to look.
    private static func ownChildren() -> [Int32]? {
        let own = CurrentProcess.id
        do throws(UVError) { return try children(of: own) } catch {
            return error == .noEntry ? everyChild()?[own] : nil
        }
    }

    /// Returns the children of a process, by all of its threads.
    ///
    /// - Throws: ``UVError/noEntry`` if the process is gone, or the system lists no children; a shortage of
    /// descriptors.
    static func children(of pid: Int32) throws(UVError) -> [Int32] {
        guard ProcessDirectory.isOwn else { throw .noEntry }
        var children: [Int32] = []
        var known: Set<Int32> = []
        // An ending thread hands its children to another one, which may have been read already.
        for _ in 0..<8 {
            var hasLostThread = false
            for thread in try Files.names(inDirectory: "/proc/\(pid)/task") {
                do throws(UVError) {
                    for child in try self.children(ofThread: "/proc/\(pid)/task/\(thread)")
                    where known.insert(child).inserted {
                        children.append(child)
                    }
                } catch {
                    // The first thread's directory exists as long as the process.
                    guard Int32(thread) != pid, error == .noEntry || error == .noProcess else { throw error }
                    hasLostThread = true
                }
            }
            if !hasLostThread { break }
        }
        return children
    }

    private static func children(ofThread directory: String) throws(UVError) -> [Int32] {
        let file = try OpenFile(directory + "/children", .readOnly)
        defer { file.close() }
        return try file.readToEnd().split(separator: UInt8(ascii: " ")).compactMap {
            Int32(Substring(decoding: $0, as: UTF8.self))
        }
    }

    /// Returns the children of every process, for kernels that list none. Nil if there is no descriptor to look.
    static func everyChild() -> [Int32: [Int32]]? {
        var children: [Int32: [Int32]] = [:]
        guard let all = everyProcess() else { return nil }
        for pid in all {
            if let details = ProcessDetails(of: pid) { children[details.parent, default: []].append(pid) }
        }
        return children
    }

    /// Returns all processes; nil if there is no descriptor to look.
    private static func everyProcess() -> [Int32]? {
        guard ProcessDirectory.isOwn else { return [] }
        do throws(UVError) { return try Files.names(inDirectory: "/proc").compactMap { Int32($0) } } catch {
            return nil
        }
    }
}
