internal import KeeperProtocol
internal import UVLoop

/// The control group that a session has to itself (cgroup v2). The child is in a group below it, so that a single write
/// kills the child's processes and spares the keeper. The keeper is in another group below if the system can count the
/// memory of each, else in the session's group itself. The limits are the session's group's; the
/// child's has one of memory a little below.
final class SessionGroup {
    /// The group's directory.
    let path: String
    let limits: SessionLimits
    /// True if the group was made here, and is removed here.
    private let isMadeHere: Bool
    /// The directory of the keeper's former group; nil if it is below no hierarchy that is mounted here.
    private let former: String?
    var hasChildGroup = false

    var childPath: String { "\(path)/child" }
    var keeperPath: String { "\(path)/keeper" }

    /// A group that was made for the keeper, which is in it already: a scope. Nil if it is not below the hierarchy that is
    /// mounted here, as in a container whose host's manager has made the scope: the group found by its path must have this
    /// process.
    init?(of group: ControlGroup, limits: SessionLimits) {
        guard group.isUnified, let root = LeftGroups.root, !group.isOutside else { return nil }
        path = root + group.path
        self.limits = limits
        isMadeHere = false
        former = nil
        do throws(UVError) {
            _ = try LeftGroups.events(of: path)
            guard try SessionGroup.processes(of: path).contains(CurrentProcess.id) else { return nil }
        } catch {
            return nil
        }
    }

    /// Makes a group for the session in a delegated one, with the session's limits, and moves this process into it.
    ///
    /// - Parameter isEntered: false: this process stays where it is.
    /// - Throws: the error, with the file that caused it.
    init(
        in subtree: String, name: String, limits: SessionLimits, group: ControlGroup?, isEntered: Bool = true,
    ) throws(Failure) {
        path = "\(subtree)/\(name)"
        self.limits = limits
        isMadeHere = true
        former = LeftGroups.root.flatMap { root in group.map { $0.isOutside ? root : root + $0.path } }
        // Missing directories would be made.
        guard Files.exists("\(subtree)/cgroup.procs") else {
            throw Failure(path: "\(subtree)/cgroup.procs", error: .noEntry)
        }
        try SessionGroup.attempt(subtree) { () throws(UVError) in
            try Files.makeDirectory(at: path, permissions: 0o755)
        }
        do throws(Failure) {
            try checkUsable(subtree)
            for (file, value) in SessionGroup.files(limits) {
                try SessionGroup.enableController(of: file, in: subtree, path)
                try SessionGroup.write(value, to: "\(path)/\(file)")
            }
            if isEntered { try SessionGroup.enter(path) }
        } catch {
            do throws(UVError) { try Files.removeDirectory(path) } catch {
                // An empty group stays: a later start of the session removes it.
            }
            throw error
        }
    }

    /// Refuses a new directory that is no group of version 2, where the writes would make ordinary files or bound
    /// nothing, and a group that is frozen from above, which no process leaves again.
    private func checkUsable(_ subtree: String) throws(Failure) {
        var lines: [Substring] = []
        do throws(UVError) { lines = try LeftGroups.events(of: path) } catch .noEntry {
            throw Failure(path: subtree, error: .invalidArgument, advice: "; it is no group of cgroup version 2")
        } catch {
            throw Failure(path: "\(path)/cgroup.events", error: error)
        }
        guard !lines.contains(LeftGroups.frozen) else {
            throw Failure(path: subtree, error: .busy, advice: "; it is frozen, or a group above it is: cgroup.freeze")
        }
    }

    /// Enables a limit for the groups below a directory, which need the limit's controller to be turned on there.
    private static func enableController(of file: String, in subtree: String, _ group: String) throws(Failure) {
        guard !Files.exists("\(group)/\(file)") else { return }
        do throws(Failure) {
            try write("+\(file.prefix { $0 != "." })", to: "\(subtree)/cgroup.subtree_control")
        } catch {
            let advice: [UVError: String] = [
                .busy: "; move the processes of that group into one below it",
                .noEntry: "; that group does not have the controller, see its cgroup.controllers",
            ]
            throw Failure(path: error.path, error: error.error, advice: advice[error.error] ?? "")
        }
    }

    /// The limits without effect, because their controllers are missing: those of cgroup version 1, which hybrid hosts
    /// have, bound no session.
    var ineffectiveLimits: [String] {
        SessionGroup.files(limits).map(\.0).filter { !Files.exists("\(path)/\($0)") }
    }

    /// An error, with the file that caused it.
    struct Failure: Error, CustomStringConvertible {
        let path: String
        let error: UVError
        var advice = ""

        var description: String { "\(path): \(error)\(advice)" }
    }

    static func attempt(_ path: String, _ body: () throws(UVError) -> Void) throws(Failure) {
        do throws(UVError) { try body() } catch { throw Failure(path: path, error: error) }
    }

    static func make(_ path: String) throws(Failure) {
        try attempt(path) { () throws(UVError) in try Files.makeDirectory(at: path, permissions: 0o755) }
    }

    /// Moves this process into a group.
    static func enter(_ path: String) throws(Failure) {
        try write("\(CurrentProcess.id)", to: "\(path)/cgroup.procs")
    }

    static func write(_ text: String, to path: String) throws(Failure) {
        try attempt(path) { () throws(UVError) in
            // The file is opened for appending, since some of these files can be written, but not read. That would make a
            // missing file where the directory is no group.
            guard Files.exists(path) else { throw .noEntry }
            let file = try OpenFile(path, .append)
            defer { file.close() }
            try file.write(Array(text.utf8))
        }
    }

    /// The files of the limits, with the text to be written to each.
    static func files(_ limits: SessionLimits) -> [(String, String)] {
        // The period, in microseconds: a tenth of a second, so that a quota is not used up at once.
        let period: UInt64 = 100_000
        return [
            ("memory.max", limits.memoryMaximum.map { "\($0)" }),
            ("memory.high", limits.memoryHigh.map { "\($0)" }),
            ("cpu.max", limits.cpuQuota.map { "\($0 * period / 100) \(period)" }),
            // The kernel has no more numbers for processes, and refuses such a limit.
            ("pids.max", limits.tasksMaximum.map { $0 > 4_194_304 ? "max" : "\($0)" }),
        ].compactMap { file, value in value.map { (file, $0) } }
    }

    // MARK: The end

    /// True if a process of the session was killed for lack of memory: by the kernel, at the session's limit or the
    /// machine's, or by systemd-oomd.
    var hasKilledForMemory: Bool {
        do throws(UVError) {
            if SessionGroup.tellsOfKilled(try Files.read("\(path)/memory.events", limit: 4096)) { return true }
        } catch {
            // The memory controller is missing, so nobody counts.
        }
        return hasOomdKilled
    }

    /// True if systemd-oomd has killed the child's group. It counts its decisions and then the processes killed, in
    /// attributes of the group.
    private var hasOomdKilled: Bool {
        guard hasChildGroup else { return false }
        do throws(UVError) {
            for name in ["user.oomd_ooms", "user.oomd_kill"] {
                let count = try Files.attribute(name, of: childPath)
                if let count, !count.isEmpty, count != [UInt8(ascii: "0")] { return true }
            }
        } catch {
            // The path has no zero byte, being a group's.
        }
        return false
    }

    /// True if the counts in a `memory.events` file show that a process of the group was killed.
    static func tellsOfKilled(_ text: [UInt8]) -> Bool {
        text.split(separator: UInt8(ascii: "\n")).contains { line in
            let words = String(decoding: line, as: UTF8.self).split(separator: " ")
            return words.count == 2 && words[0] == "oom_kill" && words[1] != "0"
        }
    }

    /// Removes the child's group and, if it was made here, the session's, with all that the child has made in it. A group
    /// with processes left stays; they were logged.
    func remove() {
        guard isMadeHere else { return LeftGroups.removeTree(childPath) }
        leave()
        LeftGroups.removeTree(path)
    }

    /// Moves this process into its former group, or the nearest group above that takes it: the former group is gone if
    /// it belonged to another session, which has ended; a frozen one would hold this process as it holds its own. If none
    /// takes it, the session's group stays, empty once this process has ended; the next start of the session removes it.
    private func leave() {
        guard let root = LeftGroups.root, var group = former else { return }
        while group.hasPrefix(root) {
            do throws(Failure) {
                if !SessionGroup.isFrozen(group) {
                    return try SessionGroup.enter(group)
                }
            } catch {
                // The group is gone, is another user's, or has controllers and so takes no processes.
            }
            guard let parent = Files.parent(of: group) else { return }
            group = parent
        }
    }

    private static func isFrozen(_ group: String) -> Bool {
        do throws(UVError) { return try LeftGroups.events(of: group).contains(LeftGroups.frozen) } catch {
            // The root, which cannot be frozen, has no such file.
            return false
        }
    }
}
