internal import CLibUV

/// What a program sets for itself in the first lines of its main, before it has threads.
public enum CurrentProcess {
    /// Sets the mask of permission bits that new files and directories do not get.
    ///
    /// - Returns: the former one. Mirrors `umask(2)`.
    @discardableResult
    public static func setFileModeMask(_ mask: UInt32) -> UInt32 { UInt32(umask(mode_t(mask))) }

    /// Makes this process ignore every signal that would end it by default and that is not in `handled`: no stray one ends
    /// it without a clean-up. Signals of faults (SIGSEGV and its like) stay as they are.
    public static func ignoreStraySignals(except handled: [Signal]) {
        var numbers = [
            SIGHUP, SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGQUIT, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGXCPU,
        ]
        #if os(Linux)
        numbers += [SIGPWR, SIGSTKFLT]
        // Real-time signals end a process too; the first two are the C library's own.
        numbers += Array(34...64)
        #endif
        for number in numbers where !handled.contains(Signal(rawValue: number)) {
            // Fails only for the C library's own.
            _ = uvkeeper_ignore_signal(number)
        }
    }

    /// Waits until so much time has passed on the monotonic clock, whatever signals come. For the end of a program.
    public static func sleep(until time: Duration) {
        while true {
            let left = time - LibUV.monotonicTime
            guard left > .zero else { return }
            var request = timespec()
            request.tv_nsec = Int(min(left, .milliseconds(900)) / .nanoseconds(1))
            _ = nanosleep(&request, nil)
        }
    }
}
