/// A visit of every process below one, by repeated looks at the tree.
///
/// A single look proves nothing: a listed process may start another and end before it is held, and its child is then
/// adopted by a process whose list was read before. The looks go on until one meets no new process.
package struct ProcessWalk {
    private enum Acquaintance {
        case visited
        case apart
        case ended
    }

    private let root: Int32
    private var known: [Int32: Acquaintance] = [:]
    private var looksLeft = ProcessTree.lookLimit
    /// The processes that the present look has yet to see; nil between two looks.
    private var unseen: [(pid: Int32, parent: Int32)]?
    /// The children of every process, for kernels that list none.
    private var all: [Int32: [Int32]]?
    /// True if the present look has met a new process.
    private var hasNews = false
    private var failure: UVError?

    /// Creates a visit that has not begun.
    package init(root: Int32 = CurrentProcess.id) { self.root = root }

    /// Visits until the deadline; the next call goes on.
    ///
    /// - Returns: the end of the visit; nil if it has not ended.
    package mutating func run(
        until deadline: Duration? = nil, leavingOut isApart: (Int32) throws(UVError) -> Bool,
        _ body: (ProcessDescriptor) -> Void,
    ) -> ProcessTree.Visit? {
        while true {
            if unseen == nil {
                guard looksLeft > 0 else { return .unsettled }
                looksLeft -= 1
                beginLook()
            }
            while let (pid, parent) = unseen?.popLast() {
                see(pid, below: parent, leavingOut: isApart, body)
                if let deadline, SystemClock.monotonicTime >= deadline { return nil }
            }
            unseen = nil
            if let failure { return .failed(failure) }
            if !hasNews { return .complete }
        }
    }

    private mutating func beginLook() {
        hasNews = false
        all = nil
        unseen = []
        do throws(UVError) {
            note(try ProcessTree.children(of: root), of: root)
        } catch .noEntry {
            // The kernel lists no children, so they are found by a look at every process.
            all = ProcessTree.everyChild()
            note(all?[root] ?? [], of: root)
        } catch {
            failure = error
        }
    }

    /// Adds children so that the first of them is seen next.
    private mutating func note(_ children: [Int32], of parent: Int32) {
        for pid in children.reversed() where pid != root { unseen?.append((pid, parent)) }
    }

    private mutating func see(
        _ pid: Int32, below parent: Int32, leavingOut isApart: (Int32) throws(UVError) -> Bool,
        _ body: (ProcessDescriptor) -> Void,
    ) {
        let process = known[pid] == nil ? meet(pid, below: parent, leavingOut: isApart) : nil
        guard known[pid] == .visited else { return }
        // The children are noted before the visit, which may end the process.
        note(all.map { $0[pid] ?? [] } ?? children(of: pid), of: pid)
        if let process { body(process) }
    }

    /// Takes hold of a process to visit; nil if it has ended, or is left out.
    private mutating func meet(
        _ pid: Int32, below parent: Int32, leavingOut isApart: (Int32) throws(UVError) -> Bool
    ) -> ProcessDescriptor? {
        let process: ProcessDescriptor
        do throws(UVError) {
            process = try ProcessDescriptor(of: pid)
        } catch {
            // A process that is gone may have left children behind.
            if error == .noProcess { hasNews = true } else { failure = error }
            return nil
        }
        hasNews = true
        do throws(UVError) {
            if let details = try details(of: pid) {
                // The parent is checked again, since the number may have become another process's between the look and
                // the hold. If the process was adopted meanwhile, its parent is the root.
                guard details.parent == parent || details.parent == root else { return nil }
                guard !details.isZombie, !process.hasEnded else {
                    known[pid] = .ended
                    return nil
                }
            } else {
                // The process is another user's and hidden by /proc (hidepid), but still in the list of its parent's
                // children.
                guard ProcessTree.isRunningChild(pid) || self.children(of: parent).contains(pid), !process.hasEnded
                else { return nil }
            }
            known[pid] = try isApart(pid) ? .apart : .visited
        } catch {
            // A process that may have to be left out is not visited.
            failure = error
        }
        return known[pid] == .visited ? process : nil
    }

    /// The facts about a process; nil if it is gone, or hidden.
    private func details(of pid: Int32) throws(UVError) -> ProcessDetails? {
        if let details = ProcessDetails(of: pid) { return details }
        do throws(UVError) { _ = try Files.read("/proc/\(pid)/stat", limit: 1) } catch {
            if error.isShortage { throw error }
        }
        return nil
    }

    private mutating func children(of pid: Int32) -> [Int32] {
        do throws(UVError) {
            return try ProcessTree.children(of: pid)
        } catch {
            // The process is gone, or another user's, unless descriptors or memory are short.
            if error.isShortage { failure = error }
            return []
        }
    }
}
