internal import CLibUV

/// Processes that are not our children: their liveness, their users, and signals to them.
public enum Processes {
    /// The existence of a process.
    public enum Liveness: Hashable, Sendable {
        /// The process exists and may be signalled.
        case alive
        /// The process exists and belongs to another user.
        case notPermitted
        /// The process does not exist, or has ended and its parent has not collected its status.
        case gone
    }

    /// Returns the user that a process belongs to: its real user id, which a set-user-id program does not change. Nil
    /// if the process is gone, or the system does not tell; Linux tells in `/proc/<pid>/status`.
    public static func userID(of pid: Int32) -> UInt32? {
        #if os(Linux)
        guard pid > 0 else { return nil }
        do throws(UVError) {
            let status = String(decoding: try Files.read("/proc/\(pid)/status", limit: 4096), as: UTF8.self)
            let line = status.split(separator: "\n").first { $0.hasPrefix("Uid:") }
            // The line has the real, effective, saved and file system ids.
            return line?.split(separator: "\t").dropFirst().first.flatMap { UInt32($0) }
        } catch {
            return nil
        }
        #else
        return nil
        #endif
    }

    /// Checks by signal zero if the process exists, without affecting it. A zombie counts as gone if the system shows
    /// its state. Ids below 1 are gone.
    public static func liveness(of pid: Int32) -> Liveness {
        guard pid > 0 else { return .gone }
        let status = uv_kill(pid, 0)
        guard status == 0 || status == UV_EPERM.rawValue, !isZombie(pid) else { return .gone }
        return status == 0 ? .alive : .notPermitted
    }

    /// True if a process has ended and its parent has not collected its status.
    private static func isZombie(_ pid: Int32) -> Bool {
        #if os(Linux)
        // The pidfd of a zombie is readable, and takes a third of the time that the kernel needs to make
        // /proc/<pid>/stat.
        let number = uvloop_pidfd_open(pid)
        if number >= 0 {
            return OwnedDescriptor(number).whileOpen { pidfd in
                var entry = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
                return poll(&entry, 1, 0) == 1
            }
        }
        #endif
        return ProcessDetails(of: pid)?.isZombie == true
    }

    /// Sends a signal to one process. Mirrors `uv_kill`.
    ///
    /// - Throws: ``UVError/invalidArgument`` for ids below 2: 0 and -1 mean groups and all processes, 1 is the system.
    /// ``UVError/noProcess``, ``UVError/notPermitted``.
    public static func send(_ signal: Signal, to pid: Int32) throws(UVError) {
        guard pid > 1 else { throw .invalidArgument }
        try check(uv_kill(pid, signal.rawValue))
    }

    /// Sends a signal to every process of a group.
    ///
    /// - Throws: ``UVError/invalidArgument`` for ids below 2: minus 1 means all processes. ``UVError/noProcess``.
    public static func send(_ signal: Signal, toGroup group: Int32) throws(UVError) {
        guard group > 1 else { throw .invalidArgument }
        try check(uv_kill(-group, signal.rawValue))
    }
}
