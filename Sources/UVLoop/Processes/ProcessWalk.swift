/// A visit of every process below one, by look after look at the tree.
///
/// One look proves nothing: a process that is listed may start another and end before it is held, and what it started is
/// adopted by a process whose list was read before. So the looks go on until one meets nobody new.
struct ProcessWalk {
    private enum Acquaintance {
        case visited
        case apart
        case ended
    }

    private let root: Int32
    private var known: [Int32: Acquaintance] = [:]
    /// The present look has met somebody new.
    private var hasNews = false
    private var failure: UVError?

    init(root: Int32) { self.root = root }

    mutating func run(leavingOut isApart: (Int32) throws(UVError) -> Bool, _ body: (ProcessDescriptor) -> Void)
        -> ProcessTree.Visit
    {
        for _ in 0..<ProcessTree.lookLimit {
            hasNews = false
            look(leavingOut: isApart, body)
            if let failure { return .failed(failure) }
            if !hasNews { return .complete }
        }
        return .unsettled
    }

    private mutating func look(leavingOut isApart: (Int32) throws(UVError) -> Bool, _ body: (ProcessDescriptor) -> Void)
    {
        var all: [Int32: [Int32]]?
        var parents: [(pid: Int32, children: [Int32])] = []
        do throws(UVError) {
            parents = [(root, try ProcessTree.children(of: root))]
        } catch .noEntry {
            // The kernel lists no children: from a look at every process.
            all = ProcessTree.everyChild()
            parents = [(root, all?[root] ?? [])]
        } catch {
            failure = error
        }
        while let (parent, children) = parents.popLast() {
            for pid in children where pid != root {
                if known[pid] == nil, let process = meet(pid, below: parent, leavingOut: isApart) {
                    // Before the visit, which may end it.
                    parents.append((pid, all.map { $0[pid] ?? [] } ?? self.children(of: pid)))
                    body(process)
                } else if known[pid] == .visited {
                    parents.append((pid, all.map { $0[pid] ?? [] } ?? self.children(of: pid)))
                }
            }
        }
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
