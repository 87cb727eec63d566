internal import CLibUV

/// The processes below another: its children, what they started, and what those started.
///
/// With ``becomeSubreaper()`` also what a parent in between has left behind, in whatever session or group it is by now.
/// Linux only; elsewhere nothing is found.
public enum ProcessTree {
    /// Lets this process adopt what its descendants leave behind when they end; it must collect their status then.
    /// Mirrors `prctl(PR_SET_CHILD_SUBREAPER)`.
    ///
    /// - Throws: ``UVError/notSupported`` where the system has no such thing.
    public static func becomeSubreaper() throws(UVError) {
        #if os(Linux)
        try checkErrno(uvloop_become_subreaper())
        #else
        throw .notSupported
        #endif
    }

    /// True if this process has no child at all, none that has ended and is not collected either. For a subreaper that
    /// means that no descendant is left.
    public static var isEmpty: Bool { uvloop_has_children() == 0 }

    /// Collects the status of every child that has ended but one, whose own watcher does that.
    public static func collectEnded(except watched: Int32?) {
        #if os(Linux)
        // The watched one stays the first that is found until its watcher has run; the others are collected by name then.
        while true {
            let pid = uvloop_ended_child()
            guard pid > 0 else { return }
            guard pid != watched else { break }
            collect(pid)
        }
        for pid in ownChildren() ?? [] where pid != watched { collect(pid) }
        #endif
    }

    /// How often a look is repeated: processes that start others and end, again and again, would keep it looking for ever.
    static let lookLimit = 16

    /// True if a process runs below this one, which is a subreaper, that is not left out. Certain, since nobody can leave the
    /// tree: what a child leaves behind is adopted before its own end can be seen, and that is seen until it is collected.
    /// Collects every child that has ended, so none may be watched any more. False where the system shows no processes.
    ///
    /// - Parameter isApart: whether a child, and all below it, is left out.
    public static func hasDescendants(leavingOut isApart: (Int32) throws(UVError) -> Bool = { _ in false }) -> Bool {
        guard isVisible else { return false }
        for _ in 0..<lookLimit {
            collectEnded(except: nil)
            guard !isEmpty else { return false }
            guard let children = ownChildren() else { return true }
            if children.contains(where: { isRunningChild($0) && !isCertainly(apart: $0, isApart) }) { return true }
            // Else one has ended during this look, and what it left behind may not have been in the list.
            if uvloop_ended_child() == 0 { return false }
        }
        return true
    }

    private static func isCertainly(apart pid: Int32, _ isApart: (Int32) throws(UVError) -> Bool) -> Bool {
        do throws(UVError) { return try isApart(pid) } catch { return false }
    }

    /// How a visit has ended.
    public enum Visit: Hashable, Sendable {
        /// The last look met nobody whom an earlier one had not met.
        case complete
        /// Processes start others and end, again and again, faster than they can be looked at.
        case unsettled
        /// There was no descriptor, or no memory, to look at all of them.
        case failed(UVError)
    }

    /// Every process below another that has not ended, each held fast; parents come before their children. More may be
    /// started meanwhile: look again.
    ///
    /// - Parameters:
    ///   - root: the process at the top, which is not among them; nil: this one.
    ///   - isApart: whether a process, and all below it, is left out.
    public static func descendants(
        of root: Int32? = nil,
        leavingOut isApart: (Int32) throws(UVError) -> Bool = { _ in false },
    ) -> [ProcessDescriptor] {
        var found: [ProcessDescriptor] = []
        visit(of: root, leavingOut: isApart) { found.append($0) }
        return found
    }

    /// The same one by one, each held fast during its visit, with two descriptors in all.
    @discardableResult
    public static func visit(
        of root: Int32? = nil,
        leavingOut isApart: (Int32) throws(UVError) -> Bool = { _ in false },
        _ body: (ProcessDescriptor) -> Void,
    ) -> Visit {
        var walk = ProcessWalk(root: root ?? CurrentProcess.id)
        // Without a deadline it runs to its end.
        return walk.run(leavingOut: isApart, body) ?? .unsettled
    }

    /// True if the system shows processes at all: there is a `/proc`, of this process's own pid namespace.
    public static var isVisible: Bool { ProcessDirectory.isOwn }

    /// Every process of the sessions that these processes lead, themselves left out, by session, each held fast: with those
    /// whose parents have ended, which are below nobody's any more. One look at every process of the system.
    public static func members(ofSessions leaders: Set<Int32>) -> [Int32: [ProcessDescriptor]] {
        var found: [Int32: [ProcessDescriptor]] = [:]
        for pid in everyProcess() ?? [] where !leaders.contains(pid) {
            // Looked at twice: the number may have become another process's before the hold.
            guard let session = session(of: pid), leaders.contains(session), let process = hold(pid),
                self.session(of: pid) == session, !process.hasEnded
            else { continue }
            found[session, default: []].append(process)
        }
        return found
    }

    /// Nil also for one that has ended.
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

    /// The children of this process, those that have ended included; nil if there is no descriptor to look.
    private static func ownChildren() -> [Int32]? {
        let own = CurrentProcess.id
        do throws(UVError) { return try children(of: own) } catch {
            return error == .noEntry ? everyChild()?[own] : nil
        }
    }

    /// The children of a process, by all of its threads.
    ///
    /// - Throws: ``UVError/noEntry`` if it is gone, or the system lists no children; a shortage of descriptors.
    static func children(of pid: Int32) throws(UVError) -> [Int32] {
        guard ProcessDirectory.isOwn else { throw .noEntry }
        var children: [Int32] = []
        var known: Set<Int32> = []
        // A thread that ends hands its children to another one, which may have been looked at before.
        for _ in 0..<8 {
            var hasLostThread = false
            for thread in try Files.names(inDirectory: "/proc/\(pid)/task") {
                do throws(UVError) {
                    for child in try self.children(ofThread: "/proc/\(pid)/task/\(thread)")
                    where known.insert(child).inserted {
                        children.append(child)
                    }
                } catch {
                    // The first thread's directory stays as long as the process.
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

    /// The children of every process: where the kernel lists none. Nil if there is no descriptor to look.
    static func everyChild() -> [Int32: [Int32]]? {
        var children: [Int32: [Int32]] = [:]
        guard let all = everyProcess() else { return nil }
        for pid in all {
            if let details = ProcessDetails(of: pid) { children[details.parent, default: []].append(pid) }
        }
        return children
    }

    /// Nil if there is no descriptor to look.
    private static func everyProcess() -> [Int32]? {
        guard ProcessDirectory.isOwn else { return [] }
        do throws(UVError) { return try Files.names(inDirectory: "/proc").compactMap { Int32($0) } } catch {
            return nil
        }
    }
}
