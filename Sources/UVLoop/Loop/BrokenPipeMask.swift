internal import CLibUV

/// SIGPIPE blocked on the calling thread, until the mask is restored.
///
/// libuv writes with plain `write` and `sendmsg`, whose SIGPIPE would end the process (H21). Blocking it on the loop's
/// thread only keeps the embedding program's own choice for the signal.
struct BrokenPipeMask {
    private let wasBlocked: Bool
    /// True only for a host that had blocked the signal itself; the pending signal is then left to the host.
    private let wasPending: Bool

    init() {
        var set = BrokenPipeMask.onlyBrokenPipe
        var before = sigset_t()
        // `pthread_sigmask` cannot fail: the arguments are valid.
        _ = pthread_sigmask(SIG_BLOCK, &set, &before)
        wasBlocked = sigismember(&before, SIGPIPE) == 1
        wasPending = wasBlocked && BrokenPipeMask.isPending
    }

    /// Removes a SIGPIPE that became pending meanwhile, then restores the mask.
    ///
    /// Always checks for one, since not every broken pipe is reported before the loop stops or the stream closes: the
    /// error of a write waits in libuv for another tick, while its signal is pending already.
    func restore() {
        if !wasPending { BrokenPipeMask.consume() }
        guard !wasBlocked else { return }
        var set = BrokenPipeMask.onlyBrokenPipe
        _ = pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    private static func consume() {
        var set = BrokenPipeMask.onlyBrokenPipe
        #if os(Linux)
        // The call does not wait: another thread may take a signal sent to the whole process at any moment.
        var immediately = timespec()
        _ = sigtimedwait(&set, nil, &immediately)
        #else
        guard isPending else { return }
        var signal: CInt = 0
        _ = sigwait(&set, &signal)
        #endif
    }

    private static var isPending: Bool {
        var pending = sigset_t()
        return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1
    }

    private static var onlyBrokenPipe: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGPIPE)
        return set
    }
}
