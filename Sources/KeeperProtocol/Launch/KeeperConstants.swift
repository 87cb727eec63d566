internal import UVLoop

/// The values that keeper and server agree on.
///
/// All public ones except ``defaultMaximumLineLength``, ``fewestDescriptors``, ``shortestFailure`` and ``hostArgument`` are the
/// original's.
public enum KeeperConstants {
    /// The crash window: a child that exits within this time after its spawn counts as not started.
    public static let crashWindow: Duration = .milliseconds(300)

    /// The number of attempts of a server to write a line.
    public static let writeAttempts = 3

    /// The longest time of an attempt, from connecting to the last byte written.
    public static let writeAttemptTimeout: Duration = .milliseconds(350)

    /// The pauses before the second and the third attempt: one fewer than ``writeAttempts``.
    public static let writeBackoffs: [Duration] = [.milliseconds(50), .milliseconds(150)]

    /// The longest time from a keeper's pid file to its sockets: it may wait half a second for its control group.
    package static let longestStart: Duration = .seconds(1)

    /// The pause between two attempts to reach a keeper that is starting, and their greatest number.
    package static let startPause: Duration = .milliseconds(20)
    package static let mostEarlyAttempts = 50

    /// The longest time that all attempts for a line take, pauses included.
    public static let writeTime: Duration = .milliseconds(1250)

    /// The command run when none is given, found on `PATH`.
    public static let defaultCommand = ["pi"]

    /// The arguments used when none are given.
    public static let defaultArguments = ["--mode", "rpc"]

    /// The size in bytes at which the keeper's log is cut, unless told otherwise: 128 MiB.
    public static let defaultLogMaximumBytes = 134_217_728

    /// The interval at which that size is checked, unless told otherwise.
    public static let defaultLogCheckInterval: Duration = .milliseconds(5000)

    /// The longest line accepted in bytes, newline included, unless told otherwise: 16 MiB.
    public static let defaultMaximumLineLength = 16_777_216

    /// The descriptors that a keeper with one client needs; a keeper that may have fewer does not start.
    public static let fewestDescriptors: UInt64 = 20

    /// The argument that makes a host program, which is its own sidecar, become a keeper: its first, followed by the
    /// session id.
    public static let hostArgument = "--uvkeeper-sidecar"

    /// The shortest life of a keeper that fails before its session is ready: the original's server begins to listen for
    /// its exit after 5 ms, or later on a busy machine, and would miss an earlier one.
    public static let shortestFailure: Duration = .milliseconds(100)

    /// The number of connections that may wait to be accepted; Node's default.
    public static let backlog = Listener.defaultBacklog
}
