internal import CLibUV

/// Restores terminals if the process ends while they are not in their original mode.
///
/// Signal handlers can take no lock and allocate nothing, so the terminals are in a table of fixed size, in memory that
/// is never moved or freed. An entry's descriptor is written last and cleared first. Changes are made on any thread,
/// under a lock.
enum TerminalGuard {
    private struct Entry {
        /// The descriptor; -1 marks an empty entry.
        var descriptor: Int32 = -1
        var state = termios()
        /// The terminal's device number; several descriptors may lead to one terminal.
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

    /// Signals that end the process by default; SIGQUIT before SIGSEGV, see ``isOfFaults(_:_:)``. The loop deals with
    /// SIGPIPE, and signals that only stop the process are not ends.
    private static let endings = [
        SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGUSR1, SIGSEGV, SIGUSR2, SIGALRM, SIGTERM,
        SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGSYS,
    ]

    /// Returns the original settings of a terminal that is in another mode now, through whatever descriptor; nil if it
    /// is not.
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

    /// Adds a terminal to restore.
    ///
    /// - Throws: ``UVError/noBuffers`` if the table is full.
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

    /// Restores every terminal, with calls that a signal handler may make.
    private static func restoreAll() {
        for entry in entries where entry.descriptor >= 0 {
            var state = entry.state
            _ = tcsetattr(entry.descriptor, TCSANOW, &state)
        }
    }

    /// The former action of each signal, by its number, in memory that does not move, for the handler.
    nonisolated(unsafe) private static let former = {
        let former = UnsafeMutableBufferPointer<sigaction>.allocate(capacity: 65)
        former.initialize(repeating: sigaction())
        return former
    }()

    /// Signals of a program's own faults. Their handlers, Swift's backtracer for instance, end the process, so
    /// terminals are restored before they run.
    private static let faults = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS]

    /// Installs the handler of a signal.
    ///
    /// - Returns: false if the signal is ignored, or handled for another purpose.
    private static func install(_ signal: CInt) -> Bool {
        var current = sigaction()
        guard sigaction(signal, nil, &current) == 0, isDefault(current) || isOfFaults(signal, current) else {
            return false
        }
        former[Int(signal)] = current
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { signal in
            TerminalGuard.restoreAll()
            // The signal is blocked until this handler returns; its former action follows.
            _ = sigaction(signal, &TerminalGuard.former[Int(signal)], nil)
            raise(signal)
        }
        // SA_RESETHAND marks our handler: libuv's handlers and the backtracer's do not have it.
        action.sa_flags = CInt(bitPattern: UInt32(SA_RESETHAND)) | SA_ONSTACK
        sigfillset(&action.sa_mask)
        return sigaction(signal, &action, nil) == 0
    }

    private static func uninstall(_ signal: CInt) {
        var current = sigaction()
        // Other code has replaced the handler: libuv for instance, whose last watcher sets the default action itself.
        guard sigaction(signal, nil, &current) == 0, current.sa_flags & CInt(bitPattern: UInt32(SA_RESETHAND)) != 0
        else { return }
        _ = sigaction(signal, &former[Int(signal)], nil)
    }

    private static func isDefault(_ action: sigaction) -> Bool {
        action.sa_flags & SA_SIGINFO == 0 && action.__sigaction_handler.sa_handler == nil
    }

    /// True for a handler of faults. For SIGQUIT, a handler is one if it is also that of SIGSEGV: the backtracer's
    /// serves both.
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
