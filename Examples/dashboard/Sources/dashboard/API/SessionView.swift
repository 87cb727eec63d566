import UVKeeper

/// A session as the page and programs see it.
struct SessionView: Encodable, Hashable, Sendable {
    enum State: String, Encodable, Sendable {
        case starting, running
        /// It runs, and does not read the lines that wait for it.
        case blocked
        case stopping, ended
        /// Its keeper is dead, and nobody knows how it ended.
        case lost
    }

    let id: String
    var state: State
    var epoch: String?
    var command: [String]?
    var directory: String?
    var startedAt: String?
    var labels: SessionLabels
    /// The child's process.
    var pid: Int32?
    var keeperPid: Int32?
    var linesIn: UInt64?
    var queuedBytes: Int?
    var blockedSince: String?
    var lastOutputAt: String?
    /// What is kept of each stream; nil if nothing is.
    var output: KeptRanges?
    var exit: Exit?

    struct Exit: Encodable, Hashable, Sendable {
        let reason: SessionExit.Reason
        let code: Int32?
        let signal: String?
        /// The step of the ladder after which nobody was left.
        let by: SessionExit.Step?
        let at: String
        let stderrTail: String

        init(_ exit: SessionExit) {
            (reason, code, signal, by, at, stderrTail) =
                (exit.reason, exit.code, exit.signal, exit.by, exit.at, exit.stderrTail)
        }
    }

    /// As its record tells it, which knows nothing of the moment.
    init(_ record: SessionRecord) {
        id = record.session
        state = record.exit == nil ? .running : .ended
        epoch = record.epoch
        command = record.command
        directory = record.cwd
        startedAt = record.startedAt
        labels = record.labels
        pid = record.exit == nil ? record.child?.pid : nil
        keeperPid = record.exit == nil ? record.keeper.pid : nil
        exit = record.exit.map { Exit($0) }
        output = record.exit?.output.map { KeptRanges($0) }
        if record.exit?.reason == .keeperLost { state = .lost }
    }

    /// One without a record: its keeper is the original's, or an old one.
    init(_ keeper: KeeperStatus) {
        id = keeper.session.rawValue
        state = keeper.state == .stale ? .lost : .running
        pid = keeper.childPID
        keeperPid = keeper.keeperPID
        labels = [:]
    }

    /// True if nothing more happens in it.
    var isOver: Bool { state == .ended || state == .lost }

    /// Adds what its keeper says of the moment.
    mutating func add(_ status: SessionStatus) {
        guard epoch == status.epoch else { return }
        switch status.state {
        case .starting: state = .starting
        case .running: state = status.blockedSince == nil ? .running : .blocked
        case .stopping: state = .stopping
        }
        (labels, linesIn, queuedBytes) = (status.labels, status.linesIn, status.queuedBytes)
        (blockedSince, lastOutputAt) = (status.blockedSince, status.lastOutputAt)
        output = status.output.map { KeptRanges($0) }
        pid = status.child.pid
    }
}

/// Which bytes of each stream are kept.
struct KeptRanges: Encodable, Hashable, Sendable {
    var out = KeptRange(start: 0, end: 0)
    var err = KeptRange(start: 0, end: 0)

    init() {}

    init(_ output: SessionExit.Output) { (out, err) = (output.out, output.err) }

    init(_ output: SessionStatus.Streams<KeptRange>) { (out, err) = (output.out, output.err) }
}
