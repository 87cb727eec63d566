internal import CLibUV

/// SIGPIPE blocked on the calling thread, until it is restored.
///
/// libuv writes with plain `write` and `sendmsg`, whose SIGPIPE would end the process (H21). Blocking it on the loop's
/// thread alone leaves the embedding program's own choice for the signal untouched.
struct BrokenPipeMask {
    private let wasBlocked: Bool

    init() {
        var set = BrokenPipeMask.onlyBrokenPipe
        var before = sigset_t()
        // Cannot fail: the arguments are valid.
        _ = pthread_sigmask(SIG_BLOCK, &set, &before)
        wasBlocked = sigismember(&before, SIGPIPE) == 1
    }

    /// Unblocks SIGPIPE if it was unblocked before; one that became pending through our writes is taken off first.
    func restore(consuming sawBrokenPipe: inout Bool) {
        guard !wasBlocked else { return }
        var set = BrokenPipeMask.onlyBrokenPipe
        if sawBrokenPipe {
            sawBrokenPipe = false
            var pending = sigset_t()
            if sigpending(&pending) == 0, sigismember(&pending, SIGPIPE) == 1 {
                var signal: CInt = 0
                // Returns at once: the signal is pending and blocked.
                _ = sigwait(&set, &signal)
            }
        }
        _ = pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    private static var onlyBrokenPipe: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGPIPE)
        return set
    }
}
