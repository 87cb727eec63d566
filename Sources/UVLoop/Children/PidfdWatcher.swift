#if os(Linux)
internal import CLibUV

/// A child started by `posix_spawn` and watched through a pidfd.
///
/// `posix_spawn` shares the parent's memory until the exec, so its cost does not depend on the parent's size; libuv's
/// fork copies page tables: 36 ms at 1 GiB (H36). A pidfd is readable once its process has ended, whoever collects the
/// status (H46), and a signal sent through it cannot reach another process (H48).
final class PidfdWatcher: Handle, ChildWatcher {
    let pid: Int32
    var onExit: ((ProcessExit) -> Void)?
    var signalOnCancel: Signal?
    private let pidfd: CInt
    /// True if the child had already been collected when we tried to open its pidfd. `pidfd` is then an unconnected
    /// socket, which polls as hung up, so that the exit is reported on the next tick.
    private let isCollected: Bool
    /// Retries `collect` while a debugger holds the status back.
    private let retries: Backoff

    /// True if the kernel has pidfds: version 5.3 or later, and no seccomp filter in the way.
    static let isAvailable: Bool = {
        let pidfd = uvloop_pidfd_open(getpid())
        if pidfd >= 0 { OwnedDescriptor(pidfd).close() }
        // A shortage of descriptors also shows that the call exists.
        return pidfd >= 0 || uvloop_errno() == EMFILE || uvloop_errno() == ENFILE
    }()

    convenience init(_ configuration: ChildProcess.Configuration, stdio: ChildStdio, on loop: Loop) throws(SpawnError) {
        let started: Started
        do throws(UVError) {
            started = try PidfdWatcher.start(configuration, stdio: stdio)
        } catch {
            throw SpawnError(error, starting: configuration)
        }
        do throws(UVError) {
            try self.init(started, on: loop)
        } catch {
            // epoll has refused the pidfd for want of memory. The child is ended: a child that nobody watches is worse
            // than none.
            PidfdWatcher.abandon(started.pid)
            throw .resources(error)
        }
    }

    /// Watches a child that was started before; takes its pidfd, on failure too.
    convenience init(resuming process: ProcessDescriptor, on loop: Loop) throws(UVError) {
        guard process.descriptor >= 0 else { throw .notSupported }
        try self.init((process.pid, process.release(), false), on: loop)
    }

    private init(_ child: Started, on loop: Loop) throws(UVError) {
        (pid, pidfd, isCollected) = child
        retries = Backoff(from: .milliseconds(50), to: .milliseconds(50), on: loop)
        do throws(UVError) {
            try super.init(uv_poll_t.self, on: loop) { uv_poll_init(loop.raw, $0, child.pidfd) }
        } catch {
            OwnedDescriptor(child.pidfd).close()
            throw error
        }
        let status = uv_poll_start(raw.poll, CInt(UV_READABLE.rawValue)) { raw, _, _ in
            let watcher: PidfdWatcher = object(raw!.pointee.data)
            watcher.collect()
        }
        do throws(UVError) {
            try check(status)
            try Watches.reserve(pidfd, on: loop.raw)
        } catch {
            // The handle exists by now, and its close closes the descriptor.
            close()
            throw error
        }
    }

    func send(_ signal: Signal) throws(UVError) {
        guard !isCollected else { throw .noProcess }
        guard uvloop_pidfd_send_signal(pidfd, signal.rawValue) != 0 else { return }
        let error = UVError(errno: uvloop_errno())
        // A sandbox or another kernel may have `pidfd_open` but refuse this call. While the pidfd says that the child
        // runs, nobody has collected it, so its number is still its own.
        guard error != .noProcess, !hasEnded else { throw .noProcess }
        try Processes.send(signal, to: pid)
    }

    /// True if the child has ended, collected or not.
    private var hasEnded: Bool {
        var entry = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    /// Empty: the loop polls the pidfd itself.
    func collectIfEnded() {}

    override var publicName: String { "ChildProcess" }

    override func willClose() {
        onExit = nil
        retries.close()
        signalIfCanceled()
    }

    override func didClose() {
        guard isCanceled, signalOnCancel != nil else { return OwnedDescriptor(pidfd).close() }
        // The loop ends, perhaps before the child does: a thread collects the status, so that no zombie is left.
        do throws(UVError) {
            try DetachedThread.start("uvloop-child") { [pidfd] in PidfdWatcher.collectAtEnd(pidfd) }
        } catch {
            OwnedDescriptor(pidfd).close()
        }
    }

    /// Waits for the end of a child, collects its status, and closes the pidfd.
    private static func collectAtEnd(_ pidfd: CInt) {
        var entry = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
        while poll(&entry, 1, -1) < 0, uvloop_errno() == EINTR {}
        var status: CInt = 0
        _ = uvloop_pidfd_wait(pidfd, &status)
        OwnedDescriptor(pidfd).close()
    }

    private func collect() {
        var status: CInt = 0
        var result = uvloop_pidfd_wait(pidfd, &status)
        // A kernel before 5.4 cannot wait by pidfd, so we wait by pid.
        if result < 0, uvloop_errno() == EINVAL { result = waitpid(pid, &status, WNOHANG) }
        // `uv_poll_stop` always returns 0.
        _ = uv_poll_stop(raw.poll)
        // Zero: the child has ended, but a debugger that traces it gets the status first; the pidfd stays readable
        // meanwhile. An error: another part of the program has collected the child, or SIGCHLD is ignored.
        guard result != 0 else {
            return retries.start(isReferenced: isReferenced) { [unowned self] in collect() }
        }
        let onExit = onExit
        self.onExit = nil
        onExit?(result > 0 ? ProcessExit(waitStatus: status) : .unknown)
    }

    private typealias Started = (pid: pid_t, pidfd: CInt, isCollected: Bool)

    private static func start(
        _ configuration: ChildProcess.Configuration,
        stdio: ChildStdio,
    ) throws(UVError) -> Started {
        // The placeholder reserves a descriptor: once the child runs, one must be free to watch it with.
        let placeholder = OwnedDescriptor(try checkErrno(uvloop_socket()))
        let pid: pid_t
        do throws(UVError) {
            pid = try PosixSpawn.start(configuration, childDescriptors: stdio.childDescriptors)
        } catch {
            placeholder.close()
            throw error
        }
        var pidfd = uvloop_pidfd_open(pid)
        if pidfd < 0, uvloop_errno() == ESRCH {
            // The child has ended already, and a host that ignores SIGCHLD or waits for all children has collected it.
            // The placeholder serves as its pidfd: an unconnected socket polls as hung up, so the end is reported on
            // the next tick.
            return (pid, placeholder.release(), true)
        }
        placeholder.close()
        if pidfd < 0 { pidfd = uvloop_pidfd_open(pid) }
        guard pidfd >= 0 else {
            let error = UVError(errno: uvloop_errno())
            if error != .noProcess { abandon(pid) }
            throw error
        }
        return (pid, pidfd, false)
    }

    /// Kills a child that cannot be watched. The child is ours and not collected, so its pid is still its own.
    private static func abandon(_ pid: pid_t) {
        guard pid > 1 else { return }
        _ = kill(pid, SIGKILL)
        var status: CInt = 0
        _ = waitpid(pid, &status, 0)
    }
}
#endif
