internal import CLibUV

/// Settings of this process for the first lines of its main, before it has threads.
public enum CurrentProcess {
    /// Sets the mask of permission bits that new files and directories do not get.
    ///
    /// - Returns: the former one. Mirrors `umask(2)`.
    @discardableResult
    public static func setFileModeMask(_ mask: UInt32) -> UInt32 { UInt32(umask(mode_t(mask))) }

    /// Makes this process ignore every signal that would end it by default and that is not in `handled`: no stray one ends
    /// it without a clean-up. Signals of faults (SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV) stay as they are.
    ///
    /// The C library's own are among them: it needs them to cancel a thread, and to change the user of one that has several.
    public static func ignoreStraySignals(except handled: [Signal]) {
        var numbers = [
            SIGHUP, SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGQUIT, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGXCPU,
            SIGTRAP, SIGSYS,
        ]
        #if os(Linux)
        numbers += [SIGPWR, SIGSTKFLT]
        // Real-time signals end a process too.
        for number: CInt in 34...64 { numbers.append(number) }
        // Cannot fail.
        for number: CInt in 32...33 { _ = uvloop_ignore_reserved_signal(number) }
        #endif
        for number in numbers where !handled.contains(Signal(rawValue: number)) {
            // Fails only for one more that is the C library's own.
            _ = uvloop_ignore_signal(number)
        }
    }

    /// Has large blocks of memory go back to the system when they are freed, from now on, where the C library would keep
    /// them for later ones. For a program that seldom needs much and lives long.
    public static func giveBackLargeMemory() { uvloop_give_back_large_memory() }

    /// Gives memory that is free back to the system now, which the C library would keep for later blocks of its size. Takes up to
    /// a few milliseconds. Mirrors `malloc_trim`; does nothing where there is no such call.
    public static func giveBackFreeMemory() { uvloop_give_back_free_memory() }

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
