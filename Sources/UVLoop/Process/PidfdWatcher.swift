#if os(Linux)
internal import CLibUV

/// A child started by `posix_spawn` and watched through a pidfd.
///
/// `posix_spawn` shares the parent's memory until the exec, so it costs the same whatever the parent's size, where
/// libuv's fork copies page tables: 36 ms at 1 GiB (H36). A pidfd is readable when its process has ended, whoever
/// collects the status (H46), and a signal sent through it cannot reach another process (H48).
final class PidfdWatcher: Handle, ChildWatcher {
    let pid: Int32
    var onExit: ((ExitStatus) -> Void)?
    private let pidfd: CInt

    /// Whether the kernel has pidfds (5.3 and later, and no seccomp filter in the way).
    static let isAvailable: Bool = {
        let pidfd = uvkeeper_pidfd_open(getpid())
        if pidfd >= 0 { Descriptors.close(pidfd) }
        // Out of descriptors is an answer too: the call exists.
        return pidfd >= 0 || uvkeeper_errno() == EMFILE || uvkeeper_errno() == ENFILE
    }()

    init(_ configuration: ChildProcess.Configuration, stdio: ChildStdio, on loop: Loop) throws(SpawnError) {
        let started: (pid: pid_t, pidfd: CInt)
        do throws(UVError) {
            started = try PidfdWatcher.start(configuration, stdio: stdio)
        } catch {
            throw SpawnError(
                error, executable: configuration.executable, workingDirectory: configuration.workingDirectory)
        }
        (pid, pidfd) = started
        do throws(UVError) {
            try super.init(uv_poll_t.self, on: loop) { uv_poll_init(loop.raw, $0, started.pidfd) }
            try check(
                uv_poll_start(raw.poll, CInt(UV_READABLE.rawValue)) { raw, _, _ in
                    let watcher: PidfdWatcher = object(raw!.pointee.data)
                    watcher.collect()
                }
            )
        } catch {
            // epoll refused, for want of memory: a child nobody watches is worse than none.
            PidfdWatcher.abandon(started)
            throw .resources(error)
        }
    }

    func send(_ signal: Signal) throws(UVError) {
        try checkErrno(uvkeeper_pidfd_send_signal(pidfd, signal.rawValue))
    }

    override func willClose() { onExit = nil }

    override func didClose() { Descriptors.close(pidfd) }

    private func collect() {
        var status: CInt = 0
        let result = waitpid(pid, &status, WNOHANG)
        // Zero: not ended after all. An error: somebody else has collected it, or SIGCHLD is ignored.
        guard result != 0 else { return }
        // Always returns 0.
        _ = uv_poll_stop(raw.poll)
        let onExit = onExit
        self.onExit = nil
        onExit?(result == pid ? ExitStatus(waitStatus: status) : .unknown)
    }

    private static func start(
        _ configuration: ChildProcess.Configuration,
        stdio: ChildStdio,
    ) throws(UVError) -> (pid: pid_t, pidfd: CInt) {
        // Holds the place of the pidfd: once the child runs there must be a descriptor to watch it with.
        let placeholder = try checkErrno(uvkeeper_socket())
        let pid: pid_t
        do throws(UVError) {
            pid = try PosixSpawn.start(configuration, childDescriptors: stdio.childDescriptors)
        } catch {
            Descriptors.close(placeholder)
            throw error
        }
        Descriptors.close(placeholder)
        let pidfd = uvkeeper_pidfd_open(pid)
        guard pidfd >= 0 else {
            let error = UVError(errno: uvkeeper_errno())
            abandon((pid, -1))
            throw error
        }
        return (pid, pidfd)
    }

    /// Ends a child that cannot be watched. It is ours and not collected, so its pid is its own.
    private static func abandon(_ child: (pid: pid_t, pidfd: CInt)) {
        if child.pid > 1 {
            _ = kill(child.pid, SIGKILL)
            var status: CInt = 0
            _ = waitpid(child.pid, &status, 0)
        }
        if child.pidfd >= 0 { Descriptors.close(child.pidfd) }
    }
}
#endif
