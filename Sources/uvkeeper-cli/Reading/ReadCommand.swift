import ArgumentParser
import KeeperProtocol
import UVKeeper

struct ReadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read",
        abstract: "Print what a session's child has written, byte for byte; of a session that has ended, too.",
        discussion: """
            The keeper keeps the last 8 MiB of stdout and of stderr, unless the session was started otherwise \
            (uvkeeper spawn --no-output, PI_KEEPER_OUTPUT_MAX_BYTES). Offsets count from the child's first byte. \
            Bytes that are no longer kept are reported on stderr.

              uvkeeper read work                        all that is kept
              uvkeeper read work --last 4096            the end of it
              uvkeeper read work --follow --from end    what comes from now on, until the session ends
              uvkeeper read work --stderr               what it said on stderr

            With --json, one object for each piece: {"stream":"out","offset":0,"text":"..."}, with "base64" in place of \
            "text" for bytes that are no UTF-8; {"gap":{"stream","from","to"}} for bytes that are gone; last \
            {"end":{"out":512},"epoch":"..."}, with "exit" if the session has ended. A program that reads on later gives that \
            offset and that epoch: --from 512 --epoch ...

            Exits with 1 if there is no such session, it keeps no output, the offset is beyond the end (the error \
            names the end), or its keeper does not answer within five seconds. With --follow, the command waits for a \
            keeper that pauses later.
            """,
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The session.", completion: .session, transform: SessionID.init)
    var session: SessionID

    @Flag(name: [.short, .long], help: "Go on printing what is written, until the session ends, or nobody reads it.")
    var follow = false

    @Option(
        help: ArgumentHelp(
            "Where to begin: start (the oldest byte that is kept, the default), end, or the offset of a byte.",
            valueName: "start|end|offset"))
    var from: ReadPlace?

    @Option(help: ArgumentHelp("Begin this many bytes before the end.", valueName: "bytes"))
    var last: UInt64?

    @Option(
        help: ArgumentHelp(
            "The life of the session that the offset counts in; another one is an error. Default: the present one.",
            valueName: "epoch"))
    var epoch: String?

    @Flag(help: "Print stderr, to stdout.")
    var stderr = false

    @Flag(help: "Print both: stdout to stdout, stderr to stderr. The order between the two is not kept.")
    var both = false

    func validate() throws {
        guard from == nil || last == nil else {
            throw ValidationError("--from and --last both say where to begin; give one of the two")
        }
        guard !both || !stderr else { throw ValidationError("--both has stderr in it; give one of the two") }
        if case .offset = from {
            guard !both else { throw ValidationError("an offset is one stream's; --from takes none with --both") }
        } else if epoch != nil {
            throw ValidationError("--epoch is the one that an offset counts in; give --from an offset with it")
        }
    }

    private var streams: [ChildStream] { both ? ChildStream.allCases : [stderr ? .err : .out] }

    /// Finds where the read begins; `completion` may run within the call.
    private func findStart(
        of session: Session, _ manager: KeeperManager,
        _ completion: @escaping (Result<OutputStart, KeeperError>) -> Void,
    ) {
        if let last { return completion(.success(.last(last))) }
        switch from {
        case .start, nil: completion(.success(.start))
        case .end: completion(.success(.end))
        case .offset(let offset):
            if let epoch { return completion(.success(.offsets([streams[0]: offset], epoch: epoch))) }
            // A living keeper says which life of the session this is: until it starts its child, a former life's record is there.
            session.status { [streams] status in
                let epoch: String
                switch status {
                case .success(let status): epoch = status.epoch
                case .failure(let error):
                    let hasEnded = error == .sessionEnded(session.id) || !manager.mayBeAlive(session.id)
                    guard hasEnded, let record = session.record else { return completion(.failure(error)) }
                    epoch = record.epoch
                }
                completion(.success(.offsets([streams[0]: offset], epoch: epoch)))
            }
        }
    }

    func run() throws {
        var reading: Reading?
        try shared.withManager(isReading: { reading?.pump.isWriting ?? false }) { manager, loop, done in
            let session = manager.session(session)
            findStart(of: session, manager) { start in
                switch start {
                case .success(let start):
                    let new = Reading(self.session, isMerged: stderr, isJSON: shared.json, manager, on: loop)
                    reading = new
                    new.start(streams, from: start, follows: follow) { error in
                        guard let error else { return done(new.pump.error == nil ? .success : .failure) }
                        shared.fail(error, done)
                    }
                case .failure(let error): shared.fail(SessionAbsence.explained(error, session.id, manager), done)
                }
            }
        }
    }
}

/// The place at which a read begins, as written on the command line.
enum ReadPlace: ExpressibleByArgument, Hashable {
    case start
    case end
    case offset(UInt64)

    init?(argument: String) {
        switch argument {
        case "start": self = .start
        case "end": self = .end
        default:
            guard let offset = UInt64(argument), offset <= 999_999_999_999_999 else { return nil }
            self = .offset(offset)
        }
    }
}
