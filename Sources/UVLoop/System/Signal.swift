internal import CLibUV

/// A POSIX signal number.
public struct Signal: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The number, as in `<signal.h>`.
    public let rawValue: CInt

    /// Creates a signal of any number; sending one that the system does not know fails with
    /// ``UVError/invalidArgument``.
    public init(rawValue: CInt) {
        self.rawValue = rawValue
    }

    /// `SIGHUP`: the terminal went away.
    public static let hangUp = Signal(rawValue: SIGHUP)
    /// `SIGINT`: interrupt from the keyboard.
    public static let interrupt = Signal(rawValue: SIGINT)
    /// `SIGKILL`: ends the process; cannot be caught.
    public static let kill = Signal(rawValue: SIGKILL)
    /// `SIGPIPE`: a write to a pipe that nobody reads.
    public static let brokenPipe = Signal(rawValue: SIGPIPE)
    /// `SIGTERM`: asks the process to end.
    public static let terminate = Signal(rawValue: SIGTERM)
    /// `SIGUSR1`: for the program's own use.
    public static let user1 = Signal(rawValue: SIGUSR1)
    /// `SIGUSR2`: for the program's own use.
    public static let user2 = Signal(rawValue: SIGUSR2)
    /// `SIGSTOP`: freezes the process; cannot be caught.
    public static let stop = Signal(rawValue: SIGSTOP)
    /// `SIGCONT`: lets a frozen process go on.
    public static let `continue` = Signal(rawValue: SIGCONT)
    /// `SIGCHLD`: a child has ended or stopped.
    public static let childChanged = Signal(rawValue: SIGCHLD)
    /// `SIGQUIT`: quit from the keyboard.
    public static let quit = Signal(rawValue: SIGQUIT)
    /// `SIGXCPU`: the process has used up its processor time.
    public static let processorTimeExceeded = Signal(rawValue: SIGXCPU)
    /// `SIGXFSZ`: a file has grown beyond the process's limit; ignored, the write fails instead.
    public static let fileSizeExceeded = Signal(rawValue: SIGXFSZ)

    /// `SIGWINCH`: the terminal's window has changed its size.
    public static let windowChange = Signal(rawValue: SIGWINCH)

    /// Makes this whole process ignore the signal; its children still start with the default action.
    /// Mirrors `signal(number, SIG_IGN)`.
    ///
    /// - Throws: ``UVError/invalidArgument`` for a signal that cannot be ignored.
    public func ignore() throws(UVError) {
        try checkErrno(uvloop_ignore_signal(rawValue))
    }

    /// Gives the signal its default action in this process, in place of a handler; a signal that is ignored stays so. For
    /// `SIGQUIT` above all: where Swift's runtime finds its `swift-backtrace`, it prints a backtrace and goes on.
    /// Mirrors `signal(number, SIG_DFL)`.
    ///
    /// - Throws: ``UVError/invalidArgument`` for a signal whose action cannot be changed.
    public func restoreDefault() throws(UVError) {
        try checkErrno(uvloop_restore_default_signal(rawValue))
    }

    private static let names: [CInt: String] = [
        SIGHUP: "SIGHUP", SIGINT: "SIGINT", SIGQUIT: "SIGQUIT", SIGILL: "SIGILL", SIGTRAP: "SIGTRAP",
        SIGABRT: "SIGABRT", SIGBUS: "SIGBUS", SIGFPE: "SIGFPE", SIGKILL: "SIGKILL", SIGUSR1: "SIGUSR1",
        SIGSEGV: "SIGSEGV", SIGUSR2: "SIGUSR2", SIGPIPE: "SIGPIPE", SIGALRM: "SIGALRM", SIGTERM: "SIGTERM",
        SIGCHLD: "SIGCHLD", SIGCONT: "SIGCONT", SIGSTOP: "SIGSTOP", SIGTSTP: "SIGTSTP", SIGTTIN: "SIGTTIN",
        SIGTTOU: "SIGTTOU", SIGURG: "SIGURG", SIGXCPU: "SIGXCPU", SIGXFSZ: "SIGXFSZ", SIGVTALRM: "SIGVTALRM",
        SIGPROF: "SIGPROF", SIGWINCH: "SIGWINCH", SIGIO: "SIGIO", SIGSYS: "SIGSYS",
    ]

    /// The name as in Node, for instance `SIGTERM`; for a signal without a name its number, for instance `SIG34`.
    public var description: String {
        Signal.names[rawValue] ?? "SIG\(rawValue)"
    }
}
