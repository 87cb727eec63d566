internal import KeeperProtocol
internal import UVLoop

/// The control group that a session has to itself (cgroup v2): the keeper is in it, and its child in one below, so that one write
/// ends all of them and leaves the keeper.
final class SessionGroup {
    /// Its directory.
    let path: String
    /// The group that the keeper came from, if the session's was made here and nobody else removes it.
    private let former: String?
    private var hasChildGroup = false

    private var childPath: String { "\(path)/child" }

    /// A group that somebody has made for the keeper, which is in it: a scope.
    init?(of group: ControlGroup) {
        guard group.isUnified, let root = SessionGroup.root else { return nil }
        path = root + group.path
        former = nil
    }

    /// Where the hierarchy is mounted: on hybrid hosts beside those of version 1.
    private static var root: String? {
        ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].first { Files.exists("\($0)/cgroup.procs") }
    }

    /// Makes a group for the session in one that was left to us, with its limits, and moves this process into it.
    ///
    /// - Throws: what was in the way, with the file.
    init(in subtree: String, name: String, limits: SessionLimits, group: ControlGroup?) throws(Failure) {
        path = "\(subtree)/\(name)"
        former = SessionGroup.root.flatMap { root in group.map { root + $0.path } }
        // Anywhere else, files would be made where they are meant to be found.
        guard Files.exists("\(subtree)/cgroup.procs") else {
            throw Failure(path: "\(subtree)/cgroup.procs", error: .noEntry)
        }
        try SessionGroup.attempt(subtree) { () throws(UVError) in
            try Files.makeDirectory(at: path, permissions: 0o755)
        }
        do throws(Failure) {
            for (file, value) in SessionGroup.files(limits) {
                try SessionGroup.enableController(of: file, in: subtree, path)
                try SessionGroup.write(value, to: "\(path)/\(file)")
            }
            try SessionGroup.write("\(CurrentProcess.id)", to: "\(path)/cgroup.procs")
        } catch {
            remove()
            throw error
        }
    }

    /// Lets groups below a directory have a limit, which they have only if that has the limit's controller turned on for them.
    private static func enableController(of file: String, in subtree: String, _ group: String) throws(Failure) {
        guard !Files.exists("\(group)/\(file)") else { return }
        try write("+\(file.prefix { $0 != "." })", to: "\(subtree)/cgroup.subtree_control")
    }

    /// The limits that have no effect, for want of their controllers: those of cgroup version 1, which hybrid hosts have, bound no
    /// session.
    func ineffective(_ limits: SessionLimits) -> [String] {
        SessionGroup.files(limits).map(\.0).filter { !Files.exists("\(path)/\($0)") }
    }

    /// What could not be done with a file.
    struct Failure: Error, CustomStringConvertible {
        let path: String
        let error: UVError

        var description: String { "\(path): \(error)" }
    }

    private static func attempt(_ path: String, _ body: () throws(UVError) -> Void) throws(Failure) {
        do throws(UVError) { try body() } catch { throw Failure(path: path, error: error) }
    }

    private static func write(_ text: String, to path: String) throws(Failure) {
        try attempt(path) { () throws(UVError) in
            // Some of these files can be written and not read.
            let file = try OpenFile(path, .append)
            defer { file.close() }
            try file.write(Array(text.utf8))
        }
    }

    /// The files of the limits, and what is written to them.
    private static func files(_ limits: SessionLimits) -> [(String, String)] {
        // A tenth of a second, so that a quota is not used up at once.
        let period: UInt64 = 100_000
        return [
            ("memory.max", limits.memoryMaximum.map { "\($0)" }),
            ("memory.high", limits.memoryHigh.map { "\($0)" }),
            ("cpu.max", limits.cpuQuota.map { "\($0 * period / 100) \(period)" }),
            ("pids.max", limits.tasksMaximum.map { "\($0)" }),
        ].compactMap { file, value in value.map { (file, $0) } }
    }

    // MARK: The child

    /// Starts the child in its own group: a process is started where its parent is, so the keeper goes there for that moment.
    ///
    /// - Parameter note: told why the child stays in the keeper's group; it is bounded all the same.
    func startChild<Child>(
        note: (String) -> Void, _ start: () throws(SpawnError) -> Child,
    ) throws(SpawnError) -> Child {
        let isInside = enterChildGroup(note)
        defer { if isInside { leaveChildGroup(note) } }
        return try start()
    }

    private func enterChildGroup(_ note: (String) -> Void) -> Bool {
        do throws(Failure) {
            try SessionGroup.attempt(childPath) { () throws(UVError) in
                try Files.makeDirectory(at: childPath, permissions: 0o755)
            }
            try SessionGroup.write("\(CurrentProcess.id)", to: "\(childPath)/cgroup.procs")
            return true
        } catch {
            note("the child has no control group of its own: \(error)")
            return false
        }
    }

    private func leaveChildGroup(_ note: (String) -> Void) {
        do throws(Failure) {
            try SessionGroup.write("\(CurrentProcess.id)", to: "\(path)/cgroup.procs")
            hasChildGroup = true
        } catch {
            note("the keeper cannot leave its child's control group: \(error)")
        }
    }

    /// Kills every process of the child's group and of those below it, which does not depend on anything that they do. Not if a
    /// keeper is among them: a session that was started from within is a session of its own.
    ///
    /// - Returns: false if nobody was killed that way.
    @discardableResult
    func killAll() -> Bool {
        guard hasChildGroup else { return false }
        do throws(Failure) {
            if try SessionGroup.hasKeeper(childPath, depth: 0) { return false }
            try SessionGroup.write("1", to: "\(childPath)/cgroup.kill")
            return true
        } catch {
            // Older than Linux 5.14, or gone: one by one, then.
            return false
        }
    }

    /// Control groups deeper than this are nobody's work but an attacker's; their processes are killed one by one.
    private static let deepest = 32

    private static func hasKeeper(_ group: String, depth: Int) throws(Failure) -> Bool {
        var found = false
        try attempt(group) { () throws(UVError) in
            guard depth < deepest else { throw .nameTooLong }
            let file = try OpenFile("\(group)/cgroup.procs", .readOnly)
            defer { file.close() }
            for line in try file.read(from: 0, limit: 1 << 22).split(separator: UInt8(ascii: "\n")) where !found {
                // A shortage of descriptors is an error: it cannot be told then.
                if let pid = Int32(String(decoding: line, as: UTF8.self)) { found = try KeeperProcesses.contain(pid) }
            }
        }
        guard !found else { return true }
        var names: [String] = []
        try attempt(group) { () throws(UVError) in names = try Files.names(inDirectory: group) }
        for name in names {
            let path = "\(group)/\(name)"
            var isGroup = false
            try attempt(path) { () throws(UVError) in isGroup = try Files.status(of: path).kind == .directory }
            if isGroup, try hasKeeper(path, depth: depth + 1) { return true }
        }
        return false
    }

    /// True if a process of the session was killed since it took more memory than the session may.
    var hasKilledForMemory: Bool {
        do throws(UVError) {
            let text = try Files.read("\(path)/memory.events", limit: 4096)
            return text.split(separator: UInt8(ascii: "\n")).contains { line in
                let words = String(decoding: line, as: UTF8.self).split(separator: " ")
                return words.count == 2 && words[0] == "oom_kill" && words[1] != "0"
            }
        } catch {
            // Without the controller nothing is bounded.
            return false
        }
    }

    /// Removes what is empty by now: the child's group, and the session's, if it was made here.
    func remove() {
        SessionGroup.removeTree(childPath, depth: 0)
        guard let former else { return }
        do throws(Failure) { try SessionGroup.write("\(CurrentProcess.id)", to: "\(former)/cgroup.procs") } catch {
            // Then the directory stays, empty once this process has ended.
        }
        do throws(UVError) { try Files.removeDirectory(path) } catch {
            // As above.
        }
    }

    /// Removes a group and those that its processes have made below it; where somebody is left, who was named, it stays.
    static func removeTree(_ group: String, depth: Int) {
        guard depth < deepest else { return }
        do throws(UVError) {
            for name in try Files.names(inDirectory: group) {
                let path = "\(group)/\(name)"
                if try Files.status(of: path).kind == .directory { removeTree(path, depth: depth + 1) }
            }
            try Files.removeDirectory(group)
        } catch {
            // It is in use, or was never made.
        }
    }
}
