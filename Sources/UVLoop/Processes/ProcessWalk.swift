/// A visit of every process below one, by look after look at the tree.
///
/// One look proves nothing: a process that is listed may start another and end before it is held, and what it started is
/// adopted by a process whose list was read before. So the looks go on until one meets nobody new.
package struct ProcessWalk {
    private enum Acquaintance {
        case visited
        case apart
        case ended
    }

    private let root: Int32
    private var known: [Int32: Acquaintance] = [:]
    private var looksLeft = ProcessTree.lookLimit
    /// What the present look has yet to see; nil between two looks.
    private var unseen: [(pid: Int32, parent: Int32)]?
    /// The children of every process, where the kernel lists none.
    private var all: [Int32: [Int32]]?
    /// The present look has met somebody new.
    private var hasNews = false
    private var failure: UVError?

    /// A visit that has not begun.
    package init(root: Int32 = CurrentProcess.id) { self.root = root }

    /// Visits, for so long; the next call goes on.
    ///
    /// - Returns: how the visit has ended; nil if it has not.
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
            // From a look at every process.
            all = ProcessTree.everyChild()
            note(all?[root] ?? [], of: root)
        } catch {
            failure = error
        }
    }

    /// The first of them is seen next.
    private mutating func note(_ children: [Int32], of parent: Int32) {
        for pid in children.reversed() where pid != root { unseen?.append((pid, parent)) }
    }

    private mutating func see(
        _ pid: Int32, below parent: Int32, leavingOut isApart: (Int32) throws(UVError) -> Bool,
        _ body: (ProcessDescriptor) -> Void,
    ) {
        let process = known[pid] == nil ? meet(pid, below: parent, leavingOut: isApart) : nil
        guard known[pid] == .visited else { return }
        // Before the visit, which may end it.
        note(all.map { $0[pid] ?? [] } ?? children(of: pid), of: pid)
        if let process { body(process) }
    }

    /// Holds a process that is to be visited; nil for one that has ended, or is left out.
    private mutating func meet(
        _ pid: Int32, below parent: Int32, leavingOut isApart: (Int32) throws(UVError) -> Bool
    ) -> ProcessDescriptor? {
        let process: ProcessDescriptor
        do throws(UVError) {
            process = try ProcessDescriptor(of: pid)
        } catch {
            // One that is gone may have left children behind.
            if error == .noProcess { hasNews = true } else { failure = error }
            return nil
        }
        hasNews = true
        do throws(UVError) {
            if let details = try details(of: pid) {
                // The number may have become another process's between the look and the hold, so its parent is asked for
                // once more. Adopted meanwhile: the root is it.
                guard details.parent == parent || details.parent == root else { return nil }
                guard !details.isZombie, !process.hasEnded else {
                    known[pid] = .ended
                    return nil
                }
            } else {
                // Another user's, where /proc hides those (hidepid). The list of its parent's children has it all the same.
                guard ProcessTree.isRunningChild(pid) || self.children(of: parent).contains(pid), !process.hasEnded
                else { return nil }
            }
            known[pid] = try isApart(pid) ? .apart : .visited
        } catch {
            // Nobody is visited who may have to be left out.
            failure = error
        }
        return known[pid] == .visited ? process : nil
    }

    /// Nil if the process is gone, or hidden.
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
            // Gone, or another user's, unless it is for want of descriptors or memory.
            if error.isShortage { failure = error }
            return []
        }
    }
}
