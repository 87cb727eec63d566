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
        try checkErrno(uvkeeper_become_subreaper())
        #else
        throw .notSupported
        #endif
    }

    /// True if this process has no child at all, none that has ended and is not collected either. For a subreaper that
    /// means that no descendant is left.
    public static var isEmpty: Bool { uvkeeper_has_children() == 0 }

    /// Collects the status of every child that has ended but one, whose own watcher does that.
    public static func collectEnded(except watched: Int32?) {
        #if os(Linux)
        // The watched one stays the first that is found until its watcher has run; the others are collected by name then.
        while true {
            let pid = uvkeeper_ended_child()
            guard pid > 0 else { return }
            guard pid != watched else { break }
            collect(pid)
        }
        for pid in children(of: Processes.currentID) ?? [] where pid != watched { collect(pid) }
        #endif
    }

    /// Every process below another that has not ended, each held fast; parents come before their children. More may be
    /// started meanwhile: look again.
    ///
    /// - Parameters:
    ///   - root: the process at the top, which is not among them; nil: this one.
    ///   - isApart: whether a process that leads a session, and all below it, is left out.
    public static func descendants(
        of root: Int32? = nil,
        leavingOut isApart: (Int32) -> Bool = { _ in false },
    ) -> [ProcessDescriptor] {
        var found: [ProcessDescriptor] = []
        visit(of: root, leavingOut: isApart) { found.append($0) }
        return found
    }

    /// The same one by one, each held fast during its visit, with two descriptors in all. What a process has started is
    /// looked up before its visit, which may end it.
    public static func visit(
        of root: Int32? = nil,
        leavingOut isApart: (Int32) -> Bool = { _ in false },
        _ body: (ProcessDescriptor) -> Void,
    ) {
        let root = root ?? Processes.currentID
        var seen: Set<Int32> = [root]
        var parents = [(pid: root, children: children(of: root))]
        let all = parents[0].children == nil ? everyChild() : nil
        while let (parent, children) = parents.popLast() {
            for pid in all.map({ $0[parent] ?? [] }) ?? children ?? [] where seen.insert(pid).inserted {
                // The number may have become another process's between the look and the hold, so its parent is asked for
                // once more. Adopted meanwhile: the root is it.
                guard let process = hold(pid), let details = ProcessDetails(of: pid), !details.isZombie,
                    details.parent == parent || details.parent == root, !process.hasEnded
                else { continue }
                if details.session == pid, isApart(pid) { continue }
                parents.append((pid, all == nil ? self.children(of: pid) : nil))
                body(process)
            }
        }
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

    /// The children of a process; nil if it is gone, or the system lists no children.
    private static func children(of pid: Int32) -> [Int32]? {
        do throws(UVError) { return try listedChildren(of: pid) } catch { return nil }
    }

    /// The children of a process, by all of its threads.
    ///
    /// - Throws: ``UVError/noEntry`` if it is gone, or the system lists no children; a shortage of descriptors.
    private static func listedChildren(of pid: Int32) throws(UVError) -> [Int32] {
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
        var bytes: [UInt8] = []
        while true {
            let more = try file.read(from: bytes.count, limit: 65536)
            guard !more.isEmpty else { break }
            bytes += more
        }
        return bytes.split(separator: UInt8(ascii: " ")).compactMap {
            Int32(Substring(decoding: $0, as: UTF8.self))
        }
    }

    /// The same from a look at every process: where the kernel lists no children.
    private static func everyChild() -> [Int32: [Int32]] {
        var children: [Int32: [Int32]] = [:]
        for pid in everyProcess() ?? [] {
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
