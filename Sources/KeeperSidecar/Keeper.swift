internal import KeeperProtocol
internal import UVLoop

/// A keeper's life: claim the session, start the child, publish the sockets, forward lines, end the session's
/// processes, tell how it ended, clean up.
final class Keeper {
    /// The state, which carries everything that must be undone when it ends.
    enum State {
        /// The keeper waits for the session's lock, between two attempts if there is a timer; nothing exists yet.
        case claiming(attemptsLeft: Int, retry: TimerHandle?)
        /// The session is claimed, and a service manager was asked for a control group.
        case moving(SessionClaim, ScopeMove)
        /// Sockets and child are being made, within one tick.
        case starting
        /// The crash window: if the child ends before the timer fires, the start has failed.
        case settling(Session, window: TimerHandle)
        case ready(Session)
        /// The session's processes are being ended.
        case stopping(Session, Ladder, Ending)
        /// No process is waited for any more: the rest of the output is read, and clients are told how the session
        /// ended.
        case parting(Session, Ending)
        case ended(KeeperExitStatus)
    }

    /// The outcome of a session.
    struct Ending {
        let status: KeeperExitStatus
        /// The reason, for the log.
        let reason: String
        /// The reason, for the record.
        let exit: SessionExit.Reason
        /// The step of a stop after which no process was left.
        var by: SessionExit.Step?
        /// The processes left behind.
        var leftBehind: [Int32] = []
    }

    /// The parts of a running session.
    struct Session {
        let claim: SessionClaim
        let child: KeeperChild
        let record: RecordFile
        let budget: ClientBudget
        let lines: LineForwarder
        let channel: ChannelDoor
        var rawDoor: Door
        var channelDoor: Door

        var doors: [Door] { [channelDoor, rawDoor] }
    }

    let launch: KeeperLaunch
    let loop: Loop
    /// The name of this life of the session.
    let epoch = SessionRecord.epoch(random: .random(in: .min ... .max))
    let startedAt = SystemClock.wallClockTime
    var signals: [Handle] = []
    /// The control group of this process, and what follows from it.
    var place = SessionPlace()
    /// True if a service manager was asked to move the keeper, and has not done so as far as is known: it did not answer
    /// in time, it refused, or it said that it had.
    var mayBeMovedLate = false
    /// The session's own control group; nil if it has none.
    var group: SessionGroup?
    var state = State.claiming(attemptsLeft: Keeper.claimAttempts, retry: nil)

    /// Keeps the session until it ends.
    ///
    /// - Throws: the reason why it cannot start.
    static func run(_ launch: KeeperLaunch) throws(KeeperFailure) -> KeeperExitStatus {
        let keeper: Keeper
        do throws(UVError) {
            let loop = try Loop()
            do throws(UVError) {
                keeper = try Keeper(launch, on: loop)
            } catch {
                loop.closeHandles()
                loop.run()
                do throws(LoopStillOpen) { try loop.close() } catch {
                    preconditionFailure("nothing was started: \(error)")
                }
                throw error
            }
        } catch {
            throw .badConfiguration("cannot start an event loop: \(error)")
        }
        keeper.claim()
        keeper.loop.run()
        guard case .ended(let status) = keeper.state else {
            preconditionFailure("the keeper's loop ended in state \(keeper.state)")
        }
        do throws(LoopStillOpen) {
            try keeper.loop.close()
        } catch {
            preconditionFailure("the keeper left something open: \(error)")
        }
        return status
    }

    private init(_ launch: KeeperLaunch, on loop: Loop) throws(UVError) {
        self.launch = launch
        self.loop = loop
        try watchSignals()
        adoptOrphans()
    }

    /// The session, from the publishing of its sockets until its end begins.
    var current: Session? {
        switch state {
        case .settling(let session, _), .ready(let session): session
        case .claiming, .moving, .starting, .stopping, .parting, .ended: nil
        }
    }

    /// The session, as long as it has clients.
    var session: Session? {
        switch state {
        case .settling(let session, _), .ready(let session), .stopping(let session, _, _), .parting(let session, _):
            session
        case .claiming, .moving, .starting, .ended: nil
        }
    }

    /// Replaces the session by one with another socket.
    func replace(with session: Session) {
        switch state {
        case .settling(_, let window): state = .settling(session, window: window)
        case .ready: state = .ready(session)
        case .stopping(_, let ladder, let ending): state = .stopping(session, ladder, ending)
        case .claiming, .moving, .starting, .parting, .ended: break
        }
    }
}
