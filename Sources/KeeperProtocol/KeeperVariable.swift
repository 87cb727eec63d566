/// The names of the environment variables that keeper and server agree on; ``KeeperSettings`` says what they mean.
public enum KeeperVariable {
    /// JSON array of strings: the child's executable and its leading arguments.
    public static let command = "PI_KEEPER_PI_CMD"

    /// JSON array of strings: the child's remaining arguments.
    public static let arguments = "PI_KEEPER_PI_ARGS"

    /// `1`: the child's output is appended to the keeper's log.
    public static let captureOutput = "PI_KEEPER_CAPTURE_PI_OUTPUT"

    /// The size in bytes at which the keeper's log is cut.
    public static let logMaximumBytes = "PI_KEEPER_LOG_MAX_BYTES"

    /// How often that size is checked, in milliseconds.
    public static let logCheckInterval = "PI_KEEPER_LOG_CHECK_INTERVAL_MS"

    /// The longest line the keeper accepts, in bytes, newline included. The original has no such limit.
    public static let maximumLineLength = "PI_KEEPER_MAX_LINE_BYTES"

    /// The sessions directory itself, when it does not follow from ``dashboardHome``. The original has no such variable.
    public static let sessionsDirectory = "PI_KEEPER_SESSIONS_DIR"

    /// The base directory, instead of the home directory; see ``SessionsDirectory``.
    public static let dashboardHome = "PI_DASHBOARD_HOME"

    /// `1` in the environment of every child, so that it knows a keeper started it.
    public static let spawned = "PI_DASHBOARD_SPAWNED"

    /// What all variables meant for the keeper, and hidden from its child, begin with.
    public static let keeperPrefix = "PI_KEEPER_"
}
