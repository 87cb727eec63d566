internal import CLibUV

/// What puts terminals back when the process ends while they are in another mode.
///
/// Signal handlers can take no lock and allocate nothing, so the terminals are in a table of fixed size, in memory that is
/// never moved or freed. An entry's descriptor is written last and cleared first. Changed on any thread, under a lock.
enum TerminalGuard {
    private struct Entry {
        /// -1: empty.
        var descriptor: Int32 = -1
        var state = termios()
    }

    private static let capacity = 16
    nonisolated(unsafe) private static let entries = {
        let entries = UnsafeMutableBufferPointer<Entry>.allocate(capacity: capacity)
        entries.initialize(repeating: Entry())
        return entries
    }()
    private static let lock = Lock(Installed())

    private struct Installed {
        var hasExitHandler = false
        var count = 0
        var signals: [CInt] = []
    }

    /// Signals whose default is to end the process. SIGPIPE is the loop's affair, and those that only stop it are not ends.
    private static let endings = [
        SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGUSR1, SIGSEGV, SIGUSR2, SIGALRM, SIGTERM,
        SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGSYS,
    ]

    /// - Throws: ``UVError/noBuffers`` if so many terminals are in another mode already.
    static func add(_ descriptor: Int32, _ state: TerminalState) throws(UVError) {
        let isAdded = lock.withLock { installed in
            guard let index = entries.firstIndex(where: { $0.descriptor < 0 }) else { return false }
            entries[index].state = state.raw
            entries[index].descriptor = descriptor
            if !installed.hasExitHandler {
                installed.hasExitHandler = true
                atexit { TerminalGuard.restoreAll() }
            }
            if installed.count == 0 { installed.signals = endings.filter(install) }
            installed.count += 1
            return true
        }
        if !isAdded { throw .noBuffers }
    }

    static func remove(_ descriptor: Int32) {
        lock.withLock { installed in
            guard let index = entries.firstIndex(where: { $0.descriptor == descriptor }) else { return }
            entries[index].descriptor = -1
            installed.count -= 1
            guard installed.count == 0 else { return }
            for signal in installed.signals { uninstall(signal) }
            installed.signals = []
        }
    }

    /// Only calls that a signal handler may make.
    private static func restoreAll() {
        for entry in entries where entry.descriptor >= 0 {
            var state = entry.state
            _ = tcsetattr(entry.descriptor, TCSANOW, &state)
        }
    }

    /// - Returns: false where somebody handles the signal, or ignores it.
    private static func install(_ signal: CInt) -> Bool {
        var current = sigaction()
        guard sigaction(signal, nil, &current) == 0, isDefault(current) else { return false }
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { signal in
            TerminalGuard.restoreAll()
            // The default is back by SA_RESETHAND; the signal is blocked until this returns, and then ends the process.
            raise(signal)
        }
        action.sa_flags = CInt(bitPattern: UInt32(SA_RESETHAND)) | SA_ONSTACK
        sigfillset(&action.sa_mask)
        return sigaction(signal, &action, nil) == 0
    }

    private static func uninstall(_ signal: CInt) {
        var current = sigaction()
        // Somebody has taken its place since: libuv's, for instance, whose last watcher sets the default itself.
        guard sigaction(signal, nil, &current) == 0, current.sa_flags & CInt(bitPattern: UInt32(SA_RESETHAND)) != 0
        else { return }
        var action = sigaction()
        // SIG_DFL, which is a cast in C.
        action.__sigaction_handler.sa_handler = nil
        _ = sigaction(signal, &action, nil)
    }

    private static func isDefault(_ action: sigaction) -> Bool {
        action.sa_flags & SA_SIGINFO == 0 && action.__sigaction_handler.sa_handler == nil
    }
}
