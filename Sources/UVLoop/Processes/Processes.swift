internal import CLibUV

/// Processes that are not our children: whether they live, who they are, signals to them.
public enum Processes {
    /// Whether a process exists.
    public enum Liveness: Hashable, Sendable {
        /// It exists and may be signalled.
        case alive
        /// It exists and belongs to somebody else.
        case notPermitted
        /// There is none, or it has ended and only its parent has not noticed.
        case gone
    }

    /// The user that a process belongs to: its real user id, which a set-user-id program does not change. Nil if the process is
    /// gone, or the system does not tell: on Linux `/proc/<pid>/status` does.
    public static func userID(of pid: Int32) -> UInt32? {
        #if os(Linux)
        guard pid > 0 else { return nil }
        do throws(UVError) {
            let status = String(decoding: try Files.read("/proc/\(pid)/status", limit: 4096), as: UTF8.self)
            let line = status.split(separator: "\n").first { $0.hasPrefix("Uid:") }
            // Real, effective, saved, and the file system's.
            return line?.split(separator: "\t").dropFirst().first.flatMap { UInt32($0) }
        } catch {
            return nil
        }
        #else
        return nil
        #endif
    }

    /// Asks by signal zero whether the process exists, without affecting it. A zombie counts as gone where the system
    /// shows its state. For ids below 1: gone.
    public static func liveness(of pid: Int32) -> Liveness {
        guard pid > 0 else { return .gone }
        let status = uv_kill(pid, 0)
        guard status == 0 || status == UV_EPERM.rawValue, !isZombie(pid) else { return .gone }
        return status == 0 ? .alive : .notPermitted
    }

    /// Whether a process has ended and its parent has not noticed.
    private static func isZombie(_ pid: Int32) -> Bool {
        #if os(Linux)
        // A pidfd is readable then, and takes a third of the time that the kernel needs to make up /proc/<pid>/stat.
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
    /// - Throws: ``UVError/invalidArgument`` for ids below 2: 0 and -1 mean groups and everybody, 1 is the system.
    ///   ``UVError/noProcess``, ``UVError/notPermitted``.
    public static func send(_ signal: Signal, to pid: Int32) throws(UVError) {
        guard pid > 1 else { throw .invalidArgument }
        try check(uv_kill(pid, signal.rawValue))
    }

    /// Sends a signal to every process of a group.
    ///
    /// - Throws: ``UVError/invalidArgument`` for ids below 2: minus 1 is everybody. ``UVError/noProcess``.
    public static func send(_ signal: Signal, toGroup group: Int32) throws(UVError) {
        guard group > 1 else { throw .invalidArgument }
        try check(uv_kill(-group, signal.rawValue))
    }
}
