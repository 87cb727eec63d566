public import KeeperProtocol
internal import Synchronization
internal import UVLoop

/// A session, alive or not: its lines, its output, its state and its end.
///
/// A manager has one object for each session, started, adopted or found. Connections are made when they are needed,
/// shared by all uses, and given up after five seconds without use: an idle session holds no descriptor.
public final class Session {
    /// The last number given to a session of this process. Its managers may be on loops of several threads.
    private static let lastNumber = Atomic<UInt64>(0)

    /// The session's name.
    public let id: SessionID
    let paths: KeeperPaths
    let loop: Loop
    /// The manager; nil once it has closed, or was released: nothing is begun any more then.
    private(set) weak var manager: KeeperManager?
    /// True until the manager has closed, or was released: a line cannot afford a weak reference.
    var hasManager = true
    let lines: SessionQueue
    let control: ControlRequests
    /// A number that no other session of this process has ever had, as an address might.
    private let number = lastNumber.wrappingAdd(1, ordering: .relaxed).newValue
    private var isDirectoryChecked = false
    private var reads: [ObjectIdentifier: OutputRead] = [:]
    private var watch: SessionWatch?

    /// Called once when the session has ended, even if another program started it: with how it ended, or nil if that is
    /// not known. Set it while the session lives; the life that counts is that at the time of the setting. As long as
    /// it is set, the keeper is watched: by the lock on its pid file, or by a descriptor if the system does not tell of
    /// that, on a network file system for instance.
    public var onEnd: ((SessionExit?) -> Void)? {
        didSet { watchEnd() }
    }

    init(_ id: SessionID, of manager: KeeperManager) {
        self.id = id
        self.manager = manager
        paths = manager.paths
        loop = manager.loop
        lines = SessionQueue(id, in: paths, manager.options, on: loop)
        control = ControlRequests(id, in: paths, idleTime: manager.options.idleTime, on: loop)
    }

    // MARK: Lines

    /// The ticket of a line that waits.
    public struct Ticket: Hashable, Sendable {
        fileprivate let id: UInt64
        fileprivate let session: UInt64
    }

    /// Takes a line back, if no byte of it was sent; its outcome is then refused, with ``KeeperError/withdrawn``.
    ///
    /// - Returns: false if it was too late, or the line belongs to another session.
    @discardableResult
    public func withdraw(_ ticket: Ticket) -> Bool {
        loop.preconditionOnThread()
        return ticket.id > 0 && ticket.session == number && lines.withdraw(ticket.id)
    }

    /// Writes one line to the child's stdin. `completion` runs once, on a later tick.
    ///
    /// Lines arrive in the order of the calls, each exactly once as long as its keeper and its child live, even if
    /// connections break. A keeper without a channel gets the line by the raw socket, with the original's three
    /// attempts.
    ///
    /// - Parameters:
    ///   - line: any bytes; a newline is added if the last byte is none. Newlines within are delivered as they are, in
    ///     one piece.
    ///   - deadline: the time that the line may wait for its keeper.
    ///   - completion: called with the outcome.
    @discardableResult
    public func write(
        _ line: consuming [UInt8], deadline: WriteDeadline = .attempts,
        completion: consuming @escaping (WriteOutcome) -> Void,
    ) -> Ticket {
        loop.preconditionOnThread()
        guard hasManager else { return refuse(.closed, completion) }
        // The check is made once: later lines go to the process that the socket leads to, whose user is checked each
        // time.
        if !isDirectoryChecked, !lines.isClosed {
            do throws(KeeperError) { try KeeperManager.check(paths) } catch { return refuse(error, completion) }
            isDirectoryChecked = true
        }
        return Ticket(id: lines.add(line, deadline, completion), session: number)
    }

    private func refuse(_ error: KeeperError, _ completion: @escaping (WriteOutcome) -> Void) -> Ticket {
        loop.onNextTick { completion(.refused(error)) }
        return Ticket(id: 0, session: number)
    }

    /// Writes one line, as above.
    @discardableResult
    public func write(
        _ line: String, deadline: WriteDeadline = .attempts, completion: @escaping (WriteOutcome) -> Void,
    ) -> Ticket {
        write(Array(line.utf8), deadline: deadline, completion: completion)
    }

    /// The lines that wait for the keeper or for the child's pipe, and their bytes, newlines included.
    public var waiting: (lines: Int, bytes: Int) { (lines.lineCount, lines.byteCount) }

    /// Introduces the writer, and finds where it goes on: for a host with a stable writer's name
    /// (``KeeperManager/Options/writer``) that keeps a journal of its lines, before its first write. Every further line
    /// has the next number. `completion` runs once, on a later tick.
    ///
    /// Also after lines were refused, or their outcome is unknown; the host then decides which of them it writes again,
    /// by the position that it gets. As long as lines wait for their outcome, the completion gets
    /// ``KeeperError/linesWait(_:)``, unless a connection knows the position already.
    ///
    /// - Parameters:
    ///   - epoch: the session's epoch in the journal; if it is not the present one, the completion gets
    ///     ``KeeperError/sessionBeganAnew(_:)``. Nil: any epoch; the numbers of another one mean nothing to the keeper, whose
    ///     position then begins with 0.
    ///   - last: the highest number that the journal has given out. If the keeper has taken a higher one, somebody else
    ///     writes under the name, and the completion gets ``KeeperError/channel(_:_:_:)`` with the word `sequence`. 0
    ///     without an epoch, for a host without a journal: whatever was taken.
    ///   - completion: called with the position at which the writer goes on.
    public func resumeWriting(
        epoch: String?, last: UInt64, completion: @escaping (Result<WriterPosition, KeeperError>) -> Void,
    ) {
        loop.preconditionOnThread()
        guard manager != nil, let channel = lines.channel else {
            return loop.onNextTick { completion(.failure(.closed)) }
        }
        do throws(KeeperError) {
            // The writer must not keep an epoch with which it can introduce itself to no keeper.
            _ = try ChannelRequest.writer(channel.writer.name, epoch: epoch, last: last).acceptableHeader()
        } catch {
            return loop.onNextTick { completion(.failure(error)) }
        }
        channel.resume(epoch: epoch, last: last, completion)
    }

    // MARK: Output

    /// Reads the child's output, if the session keeps it; also that of an ended session. The callbacks run on later
    /// ticks. A keeper that does not answer ends the read, unless the read follows and has begun; see ``OutputRead``.
    ///
    /// - Parameters:
    ///   - streams: the streams to read; the order between two streams is not kept.
    ///   - start: the place at which reading begins.
    ///   - follows: true if later output is wanted too, until the session ends.
    ///   - onBytes: called with the lent bytes at an offset of a stream; they need not end with a line or a character.
    ///   - onEvent: called for all other events; the last event ends the read.
    @discardableResult
    public func read(
        _ streams: [ChildStream] = [.out], from start: OutputStart = .end, follows: Bool = true,
        onBytes: @escaping (_ stream: ChildStream, _ offset: UInt64, _ bytes: RawSpan) -> Void,
        onEvent: @escaping (OutputEvent) -> Void,
    ) -> OutputRead {
        loop.preconditionOnThread()
        let read = OutputRead(
            id, in: paths, streams, from: start, follows: follows, on: loop, onBytes: onBytes,
            onEvent: onEvent
        ) { [weak self] read in self?.reads[ObjectIdentifier(read)] = nil }
        reads[ObjectIdentifier(read)] = read
        if manager == nil { read.close() }
        return read
    }

    // MARK: The end

    private func watchEnd() {
        // A watch that is pending may be of a life that has ended.
        watch?.cancel()
        watch = nil
        guard onEnd != nil, manager != nil else { return }
        watch = SessionWatch(id, in: paths, on: loop) { [weak self] exit in
            guard let self else { return }
            watch = nil
            let onEnd = onEnd
            self.onEnd = nil
            onEnd?(exit)
        }
    }

    /// True if nothing of the session is in use.
    var isIdle: Bool { lines.isIdle && control.isIdle && reads.isEmpty && watch == nil }

    func close() {
        manager = nil
        hasManager = false
        lines.close()
        control.close()
        for read in reads.values { read.close() }
        reads = [:]
        watch?.cancel()
        watch = nil
    }
}

@available(*, unavailable)
extension Session: Sendable {}
