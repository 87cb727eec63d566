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
        /// The number of the terminal, which several descriptors may lead to.
        var device: dev_t = 0
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

    /// Signals whose default is to end the process; SIGQUIT before SIGSEGV, see ``isOfFaults(_:_:)``. SIGPIPE is the loop's affair, and those that only stop it are not ends.
    private static let endings = [
        SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGUSR1, SIGSEGV, SIGUSR2, SIGALRM, SIGTERM,
        SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGSYS,
    ]

    /// The settings that a terminal is put back to which is in another mode now, by whatever descriptor; nil for one that is not.
    static func original(of descriptor: Int32) -> TerminalState? {
        lock.withLock { _ in
            guard let device = device(of: descriptor) else { return nil }
            return entries.first { $0.descriptor >= 0 && $0.device == device }.map { TerminalState($0.state) }
        }
    }

    private static func device(of descriptor: Int32) -> dev_t? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? status.st_rdev : nil
    }

    /// - Throws: ``UVError/noBuffers`` if so many terminals are in another mode already.
    static func add(_ descriptor: Int32, _ state: TerminalState) throws(UVError) {
        let isAdded = lock.withLock { installed in
            guard let index = entries.firstIndex(where: { $0.descriptor < 0 }) else { return false }
            entries[index].state = state.raw
            entries[index].device = device(of: descriptor) ?? 0
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

    /// What a signal did before, by its number: a handler may look at nothing that moves.
    nonisolated(unsafe) private static let former = {
        let former = UnsafeMutableBufferPointer<sigaction>.allocate(capacity: 65)
        former.initialize(repeating: sigaction())
        return former
    }()

    /// Signals of a program's own faults. Whoever handles them, Swift's backtracer for instance, does it to end the process, so
    /// terminals are put back before that.
    private static let faults = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS]

    /// - Returns: false where somebody handles the signal for other ends, or ignores it.
    private static func install(_ signal: CInt) -> Bool {
        var current = sigaction()
        guard sigaction(signal, nil, &current) == 0, isDefault(current) || isOfFaults(signal, current) else {
            return false
        }
        former[Int(signal)] = current
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { signal in
            TerminalGuard.restoreAll()
            // The signal is blocked until this returns, and then does what it did before.
            _ = sigaction(signal, &TerminalGuard.former[Int(signal)], nil)
            raise(signal)
        }
        // The first is a mark: libuv's handlers and the backtracer's have it not.
        action.sa_flags = CInt(bitPattern: UInt32(SA_RESETHAND)) | SA_ONSTACK
        sigfillset(&action.sa_mask)
        return sigaction(signal, &action, nil) == 0
    }

    private static func uninstall(_ signal: CInt) {
        var current = sigaction()
        // Somebody has taken its place since: libuv's, for instance, whose last watcher sets the default itself.
        guard sigaction(signal, nil, &current) == 0, current.sa_flags & CInt(bitPattern: UInt32(SA_RESETHAND)) != 0
        else { return }
        _ = sigaction(signal, &former[Int(signal)], nil)
    }

    private static func isDefault(_ action: sigaction) -> Bool {
        action.sa_flags & SA_SIGINFO == 0 && action.__sigaction_handler.sa_handler == nil
    }

    /// True for a handler of faults. One of SIGQUIT is if it is the same as that of SIGSEGV: the backtracer's is for both.
    private static func isOfFaults(_ signal: CInt, _ action: sigaction) -> Bool {
        guard action.sa_flags & SA_SIGINFO != 0 else { return false }
        guard signal == SIGQUIT else { return faults.contains(signal) }
        var other = sigaction()
        return sigaction(SIGSEGV, nil, &other) == 0 && other.sa_flags & SA_SIGINFO != 0
            && address(of: other) == address(of: action)
    }

    private static func address(of action: sigaction) -> Int {
        withUnsafeBytes(of: action.__sigaction_handler) { $0.loadUnaligned(as: Int.self) }
    }
}
