internal import KeeperProtocol
internal import UVLoop

/// The keeper: a tiny process that starts a child, owns its stdin, listens on a unix socket, forwards every line verbatim,
/// and outlives the server that started it. Mirrors the original's `keeper.cjs`.
///
/// A server ships it as the executable `uvkeeper-sidecar`, or as itself: a host that calls
/// ``runIfRequested(arguments:)`` first thing in its main can be its own sidecar.
public enum KeeperSidecar {
    /// The version that `--version` prints and the log names.
    public static let version = "0.1.0"

    /// For a host program's main, before anything else: becomes a keeper and never returns if this process was started
    /// as one; else returns at once.
    ///
    /// It was, if its first argument is ``KeeperProtocol/KeeperConstants/hostArgument``. Before anything else, because a
    /// keeper closes every descriptor from 3 on, and because whatever the host has set up by then stays in memory as long
    /// as the session lives.
    public static func runIfRequested(arguments: [String] = CommandLine.arguments) {
        guard arguments.count > 1, arguments[1] == KeeperConstants.hostArgument else { return }
        exit(run(arguments: Array(arguments.dropFirst(2))))
    }

    /// The main of the keeper's own executable; never returns.
    public static func main(arguments: [String] = CommandLine.arguments) -> Never {
        let arguments = arguments.dropFirst()
        switch arguments.first {
        case "--help", "-h":
            print(help)
            Processes.exit(0)
        case "--version":
            print("uvkeeper-sidecar \(version) (libuv \(LibUV.version))")
            Processes.exit(0)
        default:
            exit(run(arguments: Array(arguments)))
        }
    }

    /// Keeps one session from start to end.
    ///
    /// - Parameter arguments: the session id and nothing else.
    static func run(arguments: [String]) -> KeeperExitStatus {
        // First of all: nothing of the server's must be held open by a process that outlives it (H41).
        Descriptors.closeAll(from: 3)
        Descriptors.openMissingStandardDescriptors()
        do throws(KeeperFailure) {
            try ignoreSignals()
            let launch = try KeeperLaunch(arguments: arguments, environment: .current)
            return launch.run()
        } catch {
            Descriptors.writeToStandardError("uvkeeper-sidecar: \(error.reason)\n")
            return error.status
        }
    }

    /// Neither a closed terminal, nor a client or a reader of stderr that goes away, nor a limit on the size of files
    /// (Node ignores that too) may end a keeper. Set here and not inherited: a spawn resets dispositions (H42).
    private static func ignoreSignals() throws(KeeperFailure) {
        for signal in [Signal.hangUp, .brokenPipe, .fileSizeExceeded] {
            do throws(UVError) {
                try signal.ignore()
            } catch {
                throw .badConfiguration("cannot ignore \(signal): \(error)")
            }
        }
    }

    private static func exit(_ status: KeeperExitStatus) -> Never {
        Processes.exit(status.rawValue)
    }

    private static let help = """
        usage: uvkeeper-sidecar SESSION

        Keeps one session: starts its child, owns the child's stdin, listens on the session's unix socket, and forwards
        every line written there to the child, until the child ends or SIGTERM comes. Started by UVKeeper's
        KeeperManager or by `uvkeeper spawn`, seldom by hand.

        environment:
          PI_KEEPER_PI_CMD                  JSON array: the executable and its first arguments (default ["pi"])
          PI_KEEPER_PI_ARGS                 JSON array: the remaining arguments (default ["--mode","rpc"])
          PI_KEEPER_CAPTURE_PI_OUTPUT       1: the child's output goes to the keeper's log; else it is discarded
          PI_KEEPER_LOG_MAX_BYTES           size at which the log is cut to nothing (default 134217728)
          PI_KEEPER_LOG_CHECK_INTERVAL_MS   how often the size is checked (default 5000)
          PI_KEEPER_MAX_LINE_BYTES          longest line accepted, newline included (default 16777216)
          PI_KEEPER_SESSIONS_DIR            the sessions directory itself
          PI_DASHBOARD_HOME                 base directory: the sessions are in .pi/dashboard/sessions below it
                                            (default: the home directory)

        exit status:
          0  the child ended, or SIGTERM or SIGINT came
          1  the child could not be started, or ended within 300 ms
          2  bad arguments, or the directory, log, socket or pid file cannot be used
          3  another keeper holds this session
        The reason is in the log, keeper-SESSION.log in the sessions directory, or on stderr before there is a log.
        """
}
