internal import KeeperProtocol
internal import UVLoop

/// The keeper: a tiny process that starts a child, owns its stdin, listens on a unix socket, forwards every line
/// verbatim, and outlives the server that started it. Mirrors the original's `keeper.cjs`.
///
/// A server ships the keeper as the executable `uvkeeper-sidecar`, or as itself: a host that calls
/// ``runIfRequested(arguments:)`` first thing in its main can be its own sidecar.
public enum KeeperSidecar {
    /// The version that `--version` prints and the log names.
    public static let version = "0.2.0"

    /// Becomes a keeper and never returns if this process was started as one; else returns at once. For a host
    /// program's main, before anything else.
    ///
    /// The process was started as a keeper if its first argument is ``/KeeperProtocol/KeeperConstants/hostArgument``.
    /// The call comes first because a keeper closes every descriptor from 3 on, and because everything the host has set
    /// up by then stays in memory as long as the session lives.
    public static func runIfRequested(arguments: [String]? = nil) {
        SidecarHost.prepare()
        let arguments = arguments ?? ProgramArguments.current
        guard arguments.count > 1, arguments[1] == KeeperConstants.hostArgument else { return }
        exit(run(arguments: Array(arguments.dropFirst(2))))
    }

    /// The main of the keeper's own executable; never returns.
    public static func main(arguments: [String]? = nil) -> Never {
        let arguments = (arguments ?? ProgramArguments.current).dropFirst()
        switch arguments.first {
        case "--help", "-h":
            print(help)
            CurrentProcess.exit(0)
        case "--version":
            print("uvkeeper-sidecar \(version) (libuv \(LibUV.version))")
            CurrentProcess.exit(0)
        default:
            exit(run(arguments: Array(arguments)))
        }
    }

    /// Keeps one session from start to end.
    ///
    /// - Parameter arguments: the session id and nothing else.
    static func run(arguments: [String]) -> KeeperExitStatus {
        let startedAt = SystemClock.monotonicTime
        // The first step: a process that outlives the server must hold none of its descriptors open (H41: descriptors
        // leak into children).
        Descriptors.closeAll(from: 3)
        StandardStreams.openMissing()
        takeSignals()
        // Memory of freed large blocks goes back to the system: a single long line would otherwise cost as much for the
        // rest of the session.
        CurrentProcess.giveBackLargeMemory()
        // Files of a keeper are for its own user alone, whatever mask the process was started with.
        let fileModeMask = CurrentProcess.setFileModeMask(0o077)
        let status: KeeperExitStatus
        do throws(KeeperFailure) {
            let launch = try KeeperLaunch(
                arguments: arguments, environment: .current, fileModeMask: fileModeMask)
            status = launch.run()
        } catch {
            StandardStreams.writeError("uvkeeper-sidecar: \(error.reason)\n")
            status = error.status
        }
        // A failed start lasts a while at least; everything has been said and undone by now.
        if status != .ended { SystemClock.sleep(until: startedAt + KeeperConstants.shortestFailure) }
        return status
    }

    /// Sets signals so that a keeper is ended neither by a closed terminal, nor by a client or a reader of stderr that
    /// goes away, nor by a limit on the size of files (which Node ignores too), nor by a stray signal. Set here and not
    /// inherited: a spawn resets dispositions (H42: signals reset in children), and the mask of the server's thread may
    /// be anything.
    private static func takeSignals() {
        CurrentProcess.ignoreStraySignals(except: Keeper.handledSignals)
        #if os(Linux)
        SignalQueue.block(Keeper.handledSignals)
        #endif
    }

    private static func exit(_ status: KeeperExitStatus) -> Never {
        CurrentProcess.exit(status.rawValue)
    }

    private static let help = """
        usage: uvkeeper-sidecar SESSION

        Keeps one session: starts its child, owns the child's stdin, listens on the session's unix socket, and forwards
        every line written there to the child, until the child ends or SIGTERM comes. SIGUSR1 makes a lost socket anew. Started by UVKeeper's
        KeeperManager or by `uvkeeper spawn`, seldom by hand.

        environment:
          PI_KEEPER_PI_CMD                  JSON array: the executable and its first arguments (default ["pi"])
          PI_KEEPER_PI_ARGS                 JSON array: the remaining arguments (default ["--mode","rpc"])
          PI_KEEPER_COMMAND_FILE            a file or pipe with the whole command instead, each string ended by a zero
                                            byte; -: standard input
          PI_KEEPER_STOP_EOF_MS             what SIGTERM does first: how long the child has after the end of its input,
          PI_KEEPER_STOP_TERM_MS            and then after SIGTERM (default 0 and 0: all are killed at once)
          PI_KEEPER_SWEEP                   1: what a child leaves behind when it ends by itself is ended too
          PI_KEEPER_CAPTURE_PI_OUTPUT       1: the child's output goes to the keeper's log; else it is discarded
          PI_KEEPER_OUTPUT_MAX_BYTES        how many bytes of each of the child's streams are kept in files beside the
                                            log, for readers of the channel (default 0: none; 65536 at least)
          PI_KEEPER_LABELS                  JSON object of strings, stored in the session's record
          PI_KEEPER_RECORD_COMMAND          0: the record has no command
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
