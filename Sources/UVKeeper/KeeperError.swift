public import KeeperProtocol
public import UVLoop

/// The errors of keepers, with descriptions that say what to do.
public enum KeeperError: Error, Hashable, Sendable {
    /// The text is no valid session id.
    case invalidSession(String, SessionIDError)
    /// The socket's path would be this many bytes longer than the system allows.
    case socketPathTooLong(String, by: Int)
    /// There is no home directory, and no setting says where the sessions are.
    case noSessionsDirectory
    /// A directory or file cannot be used.
    case file(String, UVError)
    /// A directory or file cannot be used for lack of permission; with the obstacle, and its owner.
    case noPermission(String, obstacle: String)
    /// Other users can replace the sessions directory or its contents, for this reason.
    case directoryNotPrivate(String, String)
    /// A file in the sessions directory belongs to this user, who is not trusted.
    case fileOfStranger(String, user: UInt32)
    /// No sidecar executable was found in these places.
    case sidecarNotFound([String])
    /// The sidecar that was chosen cannot be executed, for this reason.
    case sidecarUnusable(String, String)
    /// This program cannot be its own sidecar: started as a keeper it would not become one, for this reason.
    case hostNotPrepared(String)
    /// No working directory was given.
    case noWorkingDirectory
    /// The working directory or the command that was given cannot be used; no file of the session was made.
    case unusable(SpawnError)
    /// The sidecar could not be started.
    case cannotStart(SpawnError)
    /// The session has a keeper already, of this pid if known.
    case sessionTaken(SessionID, pid: Int32?)
    /// The session's keeper is dead, and its former child, this process, still runs.
    case formerChildRuns(SessionID, pid: Int32)
    /// The keeper started and ended before its socket accepted; with the last lines of its log.
    case keeperEnded(ProcessExit, log: [String])
    /// The sidecar, this program, started and ended without a line in the session's logs: perhaps it is no keeper.
    case notAKeeper(String, ProcessExit)
    /// The keeper runs, and its socket did not accept within this time.
    case notReady(Duration)
    /// The command is empty, or a zero byte is in it.
    case invalidCommand
    /// Bytes of the command are no UTF-8, and the sidecar is no keeper of ours: it takes commands only as JSON.
    case notForForeignSidecar
    /// The line, with its newline, is longer than the keeper would take.
    case lineTooLong(Int, maximum: Int)
    /// The request, with its labels or its epoch, is longer than a keeper takes; it was not sent.
    case requestTooLong(Int, maximum: Int)
    /// The session's queue is full: so many lines or bytes wait already.
    case queueFull(lines: Int, bytes: Int)
    /// The connection failed.
    case connection(String, UVError)
    /// The keeper did not take or confirm the bytes sent within this time.
    case timedOut(Duration)
    /// The session's keeper, this process, is stopped by a signal or held by a debugger, and does not answer meanwhile.
    case frozen(SessionID, pid: Int32)
    /// The session's keeper has no channel: it is the original's, or an older one of ours. The text says what it cannot
    /// do.
    case noChannel(SessionID, String)
    /// The keeper refuses the request: a stable word, and a sentence.
    case channel(SessionID, String, String)
    /// The read was to begin at this offset of a stream, which has had fewer bytes.
    case offsetBeyondEnd(SessionID, ChildStream, offset: UInt64, end: UInt64)
    /// The process at the session's channel does not speak its protocol.
    case malformedMessage(SessionID, String)
    /// The child's stdin is closed, by the child or by an end of input.
    case inputClosed(SessionID)
    /// Lines of the session wait for their outcome, or it is being asked already where its writer goes on.
    case linesWait(SessionID)
    /// The session has ended.
    case sessionEnded(SessionID)
    /// The session has begun anew with another keeper, which knows nothing of lines sent to the former one.
    case sessionBeganAnew(SessionID)
    /// The keeper does not remember this writer: more than 1,024 others have written since.
    case writerForgotten(SessionID, String)
    /// Another connection writes under this name.
    case writerReplaced(SessionID, String)
    /// The line was withdrawn.
    case withdrawn
    /// The labels break this rule.
    case invalidLabels(String)
    /// The threads that look through the sessions directory cannot be made.
    case noThreads(UVError)
    /// The manager was closed first.
    case closed
}

extension KeeperError {
    /// The error for a path; for a lack of permission with the obstacle in words.
    static func using(_ path: String, _ error: UVError) -> KeeperError {
        guard error == .accessDenied, let obstacle = PathObstacle(path) else { return .file(path, error) }
        return .noPermission(path, obstacle: "\(obstacle)")
    }
}

extension KeeperError {
    /// True for errors that no second attempt can mend. A missing or refusing socket is no such error: a keeper may be
    /// starting.
    var isConfiguration: Bool {
        switch self {
        case .connection(_, .accessDenied), .connection(_, .notPermitted), .connection(_, .notDirectory),
            .connection(_, .symbolicLink), .connection(_, .nameTooLong), .connection(_, .invalidArgument),
            .connection(_, .notSocket), .requestTooLong:
            true
        default: false
        }
    }

    /// True if no process is at the other end.
    var isAbsence: Bool {
        switch self {
        case .connection(_, .noEntry), .connection(_, .connectionRefused), .connection(_, .connectionReset): true
        default: false
        }
    }

    var isReset: Bool { if case .connection(_, .connectionReset) = self { true } else { false } }

    /// True if the process at the other end has closed the connection.
    var isBroken: Bool { if case .connection(_, .brokenPipe) = self { true } else { isReset } }
}

extension KeeperError {
    /// The error for a keeper that has sent nothing for this time: its process may be stopped.
    package static func silence(of session: SessionID, for time: Duration, _ paths: KeeperPaths) -> KeeperError {
        guard case .live(let pid?) = KeeperInspection.finding(session, paths: paths),
            ProcessDetails(of: pid)?.isStopped == true
        else { return .timedOut(time) }
        return .frozen(session, pid: pid)
    }
}

/// The words for people are in `description`, which `"\(error)"` prints. Foundation's `localizedDescription` uses them
/// only for types that conform to its `LocalizedError`, and this module does without Foundation. A program that uses
/// Foundation and logs that way declares once: `extension KeeperError: @retroactive LocalizedError { public var
/// errorDescription: String? { description } }`.
extension KeeperError: CustomStringConvertible {
    /// The failure, and the remedy.
    public var description: String {
        switch self {
        case .invalidSession(let text, let error): error.message(for: text)
        case .socketPathTooLong(let path, let excess):
            "the socket path \(path) is \(excess) bytes too long; use a shorter session id or sessions directory"
        case .noSessionsDirectory:
            "there is no sessions directory; set HOME or \(KeeperVariable.dashboardHome), or name the directory"
        case .file(let path, .notDirectory):
            "cannot use \(path): it is no directory, or something on the way to it is none"
        case .file(let path, let error): "cannot use \(path): \(error)"
        case .noPermission(let path, let obstacle): "cannot use \(path): \(UVError.accessDenied): \(obstacle)"
        case .directoryNotPrivate(let path, let exposure):
            "the sessions directory \(SessionsDirectory.notPrivate(path, exposure))"
        case .fileOfStranger(let path, let user): "cannot use \(path): it belongs to user \(user); remove it"
        case .sidecarNotFound(let places):
            "the sidecar uvkeeper-sidecar was not found; set \(SidecarCommand.variable) to its path, have it built beside "
                + "your program (.product(name: \"uvkeeper-sidecar\", package: \"uvkeeper\") among the target's "
                + "dependencies), or let the program be its own (KeeperSidecar.runIfRequested() first thing in main, and "
                + "SidecarCommand.currentExecutable()); looked at: " + places.joined(separator: ", ")
        case .sidecarUnusable(let name, let reason): "cannot use \(name) as the sidecar: \(reason)"
        case .hostNotPrepared(let reason): "this program cannot be its own sidecar: \(reason)"
        case .noWorkingDirectory: "no working directory was given: its name is empty"
        case .unusable(let error): "cannot start the command: \(error)"
        case .cannotStart(let error): "cannot start the keeper: \(error)"
        case .sessionTaken(let session, let pid):
            "session \(session) has a keeper already\(pid.map { ", process \($0)" } ?? ""); kill it first, or use it"
        case .keeperEnded(let status, let log):
            "the keeper \(status) "
                + (log.contains { $0.contains("] keeper ready: ") }
                    ? "right after its start" : "before its session was ready")
                + (status == .signaled(.kill)
                    ? "; it may have been killed for lack of memory, at a limit or the machine's" : "")
                + (log.isEmpty ? "" : "; its log ends:\n  " + log.joined(separator: "\n  "))
        case .notAKeeper(let sidecar, let status):
            "the sidecar \(sidecar) \(status) and has written no log of the session: is it a keeper? If it is a script around "
                + "one, it must pass on its environment"
        case .formerChildRuns(let session, let pid):
            "session \(session): its former child \(pid) still runs without a keeper; end it first: uvkeeper kill \(session)"
        case .notReady(let deadline): "the keeper runs, but its socket did not accept within \(deadline)"
        case .invalidCommand: "the command is empty, or a zero byte is in it"
        case .notForForeignSidecar:
            "the command has bytes that are no UTF-8, and only \(SidecarCommand.executableName) can be given those"
        case .lineTooLong(let count, let maximum): "the line has \(count) bytes, and \(maximum) are allowed"
        case .requestTooLong(let count, let maximum):
            "the request has \(count) bytes, and a keeper takes \(maximum): its labels, or its epoch, are too long"
        case .queueFull(let lines, let bytes):
            "\(lines) lines of \(bytes) bytes wait for this session already; wait for their completions"
        case .connection(let path, .noEntry): "no keeper: there is no socket \(path)"
        case .connection(let path, .connectionRefused): "no keeper: nobody listens on \(path)"
        case .connection(let path, .notSocket): "no keeper: \(path) is no socket; remove what is there"
        case .connection(let path, .notPermitted): "no keeper of yours: a process of another user listens on \(path)"
        case .connection(let path, let error): "the connection to \(path) failed: \(error)"
        case .timedOut(let time):
            "the keeper did not answer, or take everything, within \(time); it may be frozen, or its child does not read"
        case .frozen(let session, let pid):
            "the keeper of session \(session), process \(pid), is stopped by a signal or a debugger, and answers nobody; let it "
                + "go on: kill -CONT \(pid)"
        case .noChannel(let session, let wish):
            "the keeper of session \(session) has no channel, so it cannot \(wish): it is an original one or older than 0.2; "
                + "start the session anew for that"
        case .channel(let session, let code, let text): "the keeper of session \(session) says: \(text) (\(code))"
        case .offsetBeyondEnd(let session, let stream, let offset, let end):
            "\(stream == .out ? "stdout" : "stderr") of session \(session) ends at offset \(end), and \(offset) is beyond that"
        case .malformedMessage(let session, let reason):
            "what answers at the channel of session \(session) does not speak its protocol: \(reason)"
        case .inputClosed(let session): "the stdin of session \(session)'s child is closed"
        case .linesWait(let session):
            "lines of session \(session) wait for their outcome, or another resumeWriting does; ask after that where the writer "
                + "goes on"
        case .sessionEnded(let session): "session \(session) has ended"
        case .sessionBeganAnew(let session):
            "session \(session) has begun anew with another keeper, which knows nothing of former lines"
        case .writerForgotten(let session, let name):
            "the keeper of session \(session) does not remember what \(name) has written: more than "
                + "\(ChannelConstants.rememberedWriters) others have written since; begin again with number 1"
        case .writerReplaced(let session, let name): "somebody else writes to session \(session) as \(name)"
        case .withdrawn: "the line was withdrawn"
        case .invalidLabels(let rule): "cannot label the session: \(rule)"
        case .noThreads(let error):
            "cannot make the threads that read the sessions directory (\(error)); raise the limit of processes (ulimit -u, "
                + "or the container's pids.max)"
        case .closed: "the manager was closed"
        }
    }
}
