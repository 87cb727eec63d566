internal import KeeperProtocol
internal import UVLoop

/// The end of every process of the session by one write.
extension SessionGroup {
    /// Kills every process of the child's group and of the groups below, whatever these processes do. No process is
    /// killed if one among them is another session's, or may be: a session started from within is a session of its own,
    /// also after its keeper was moved elsewhere, and a keeper of another user cannot be told from other programs.
    ///
    /// - Returns: false if no process was killed this way.
    @discardableResult
    func killAll() -> Bool {
        // No keeper is recognised without a /proc of this pid namespace.
        guard hasChildGroup, ProcessTree.isVisible else { return false }
        do throws(Failure) {
            var known: Set<Int32> = [CurrentProcess.id]
            if try SessionGroup.hasOthers(childPath, depth: 0, &known) { return false }
            try SessionGroup.write("1", to: "\(childPath)/cgroup.kill")
            return true
        } catch {
            // The kernel is older than Linux 5.14, or the group is gone: processes are then killed one by one.
            return false
        }
    }

    /// The deepest nesting of control groups searched. Only an attacker goes deeper; such processes are killed one by
    /// one.
    private static let deepest = 32

    /// - Parameter known: the processes found to be of no other session, this one first.
    private static func hasOthers(_ group: String, depth: Int, _ known: inout Set<Int32>) throws(Failure) -> Bool {
        var pids: [Int32] = []
        try attempt(group) { () throws(UVError) in
            guard depth < deepest else { throw .nameTooLong }
            pids = try processes(of: group)
        }
        // This process has been moved there, by the child perhaps: it would be killed, too.
        if pids.contains(CurrentProcess.id) { return true }
        if pids.contains(where: { isOthers($0, &known) }) { return true }
        var names: [String] = []
        try attempt(group) { () throws(UVError) in
            // Each group below is a link to this one, beside its own two: most have none, and some thirty files.
            if try Files.status(of: group).linkCount != 2 { names = try Files.names(inDirectory: group) }
        }
        for name in names {
            let path = "\(group)/\(name)"
            var isGroup = false
            try attempt(path) { () throws(UVError) in isGroup = try Files.status(of: path).kind == .directory }
            if isGroup, try hasOthers(path, depth: depth + 1, &known) { return true }
        }
        return false
    }

    /// The processes of a group, without those of the groups below it; 0 is one of another pid namespace, which has no
    /// number in this one. Read in small pieces: the group's limit of memory is the keeper's, too, and may be nearly
    /// reached.
    static func processes(of group: String) throws(UVError) -> [Int32] {
        let file = try OpenFile("\(group)/cgroup.procs", .readOnly)
        defer { file.close() }
        var pids: [Int32] = []
        try file.forEachLine {
            pids.append(Int32(String(decoding: $0, as: UTF8.self)) ?? 0)
            return true
        }
        return pids
    }

    /// The limit of looks at a process whose parents end meanwhile.
    private static let lookLimit = 16

    /// True unless a process is known to be no keeper, and to descend from this one by way of no other keeper.
    private static func isOthers(_ pid: Int32, _ known: inout Set<Int32>) -> Bool {
        guard pid > 0 else { return true }
        for _ in 0..<lookLimit {
            var line: [Int32] = []
            var isBelowKeeper = false
            var process = pid
            while process > 1, !known.contains(process) {
                if !isBelowKeeper { isBelowKeeper = KeeperProcesses.mayContain(process) }
                if isBelowKeeper, process == pid { return true }
                line.append(process)
                guard let parent = ProcessDetails(of: process)?.parent else { break }
                process = parent
            }
            if known.contains(process), isBelowKeeper { return true }
            // A parent that has ended has handed its children to another process, perhaps to a keeper: look again.
            if process == pid || process <= 1 || known.contains(process) {
                if !isBelowKeeper { known.formUnion(line) }
                return false
            }
        }
        return true
    }
}
