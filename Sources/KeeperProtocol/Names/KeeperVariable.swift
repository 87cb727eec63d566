/// The names of the environment variables that keeper and server agree on; ``KeeperSettings`` says what they mean.
public enum KeeperVariable {
    /// JSON array of strings: the child's executable and its leading arguments.
    public static let command = "PI_KEEPER_PI_CMD"

    /// JSON array of strings: the child's remaining arguments.
    public static let arguments = "PI_KEEPER_PI_ARGS"

    /// A file or pipe with the whole command, instead of ``command`` and ``arguments``, each string ended by a zero
    /// byte; `-`: standard input. The original has no such variable.
    public static let commandFile = "PI_KEEPER_COMMAND_FILE"

    /// The time in milliseconds that a child has after the end of its input when its keeper gets a plain SIGTERM; 0 if
    /// unset. The original has no such variable.
    public static let stopEndOfInput = "PI_KEEPER_STOP_EOF_MS"

    /// The time in milliseconds that a child then has after SIGTERM; 0 if unset. The original has no such variable.
    public static let stopTerminate = "PI_KEEPER_STOP_TERM_MS"

    /// `1`: processes that a child leaves behind when it ends by itself are ended too. The original has no such
    /// variable.
    public static let sweep = "PI_KEEPER_SWEEP"

    /// `1`: the child's output is appended to the keeper's log.
    public static let captureOutput = "PI_KEEPER_CAPTURE_PI_OUTPUT"

    /// The number of bytes kept of each of the child's streams; 0 or unset: none. The original has no such variable.
    public static let outputMaximumBytes = "PI_KEEPER_OUTPUT_MAX_BYTES"

    /// JSON object of strings: the session's labels. The original has no such variable.
    public static let labels = "PI_KEEPER_LABELS"

    /// `0`: the session's record has no command. The original has no such variable.
    public static let recordCommand = "PI_KEEPER_RECORD_COMMAND"

    /// The size in bytes at which the keeper's log is cut.
    public static let logMaximumBytes = "PI_KEEPER_LOG_MAX_BYTES"

    /// The interval in milliseconds at which that size is checked.
    public static let logCheckInterval = "PI_KEEPER_LOG_CHECK_INTERVAL_MS"

    /// The longest line the keeper accepts, in bytes, newline included. The original has no such limit.
    public static let maximumLineLength = "PI_KEEPER_MAX_LINE_BYTES"

    /// The sessions directory itself, if it is not below ``dashboardHome``. The original has no such variable.
    public static let sessionsDirectory = "PI_KEEPER_SESSIONS_DIR"

    /// `auto`, `require` or `off`: the policy by which the keeper leaves the control group of the service that started
    /// it, see ``ScopePolicy``. If unset: `off`, or `auto` if a control group or limits are set. The original has no
    /// such variable, and none of the next five.
    public static let scope = "PI_KEEPER_SCOPE"

    /// The most memory of the session, in bytes or with `K`, `M`, `G` or `T` of 1024.
    public static let memoryMaximum = "PI_KEEPER_MEMORY_MAX"

    /// The memory beyond which the session is slowed down, in the same form.
    public static let memoryHigh = "PI_KEEPER_MEMORY_HIGH"

    /// The session's processor time, in percent of one processor, with or without `%`.
    public static let cpuQuota = "PI_KEEPER_CPU_QUOTA"

    /// The most processes and threads of the session.
    public static let tasksMaximum = "PI_KEEPER_TASKS_MAX"

    /// The directory of a delegated control group (version 2), in which each session gets a group of its own.
    public static let controlGroup = "PI_KEEPER_CGROUP"

    /// The variables that decide about the session's control group.
    package static let ofGroup = [scope, memoryMaximum, memoryHigh, cpuQuota, tasksMaximum, controlGroup]

    /// `1` in the environment of every keeper that a manager starts: a program that would not become a keeper, and
    /// would start another, knows by it that it was started as one. The original has no such variable.
    public static let started = "PI_KEEPER_STARTED"

    /// The base directory, instead of the home directory; see ``SessionsDirectory``.
    public static let dashboardHome = "PI_DASHBOARD_HOME"

    /// `1` in the environment of every child, so that it knows a keeper started it.
    public static let spawned = "PI_DASHBOARD_SPAWNED"

    /// The prefix of all variables meant for the keeper and hidden from its child.
    public static let keeperPrefix = "PI_KEEPER_"
}
