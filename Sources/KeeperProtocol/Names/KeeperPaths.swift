internal import UVLoop

/// Every path that keeper and server derive from the sessions directory and a session id.
///
/// | what | POSIX | Windows |
/// |---|---|---|
/// | socket | `<dir>/<id>.rpc.sock` | `\\.\pipe\pi-rpc-<id>` |
/// | keeper's pid | `<dir>/<id>.rpc.sock.pid` | `<dir>\pi-rpc-<id>.pid` |
/// | child's pid | `<dir>/<id>.rpc.sock.pi-pid` | `<dir>\pi-rpc-<id>.pi-pid` |
/// | channel | `<dir>/<id>.ctl.sock` | `\\.\pipe\pi-ctl-<id>` |
/// | record | `<dir>/<id>.session.json` | `<dir>\<id>.session.json` |
/// | output segment | `<dir>/<id>.<epoch>.out.<20 digits>` | same, with `\` |
/// | keeper's log | `<dir>/keeper-<id>.log` | same, with `\` |
/// | launch log | `<dir>/keeper-launch-<id>.log` | same, with `\` |
///
/// The names are the original's, so that old and new keepers and servers find each other. No method touches the disk,
/// and none fails. Other names in the directory begin with a dot or end in `.tmp`, as none of these do.
///
/// A name inherited from the original is ambiguous: `keeper-launch-x.log` is the launch log of session `x` and the log
/// of session `launch-x`. Read back, it always counts as the launch log; see ``sessionID(ofKeeperLogNamed:)``.
public struct KeeperPaths: Hashable, Sendable, Codable {
    /// The sessions directory without a separator at its end, except for a root (`/`, `C:\`); empty for the current
    /// directory.
    public let directory: String

    /// The shape of the paths.
    public let platform: KeeperPlatform

    /// The paths below `directory`, which need not exist; separators at its end are dropped, the rest is unchanged.
    public init(directory: String, platform: KeeperPlatform = .current) {
        self.directory = platform.removingTrailingSeparators(directory)
        self.platform = platform
    }

    // MARK: - From a session to its paths

    /// The address on which the keeper of `session` listens: a socket file, on Windows a named pipe.
    public func socket(for session: SessionID) -> String {
        switch platform {
        case .posix: path(session.rawValue, Self.socketEnd)
        case .windows: "\\\\.\\pipe\\" + Self.pipeStart + session.rawValue
        }
    }

    /// The address of the session's channel.
    ///
    /// The address is as long as ``socket(for:)``, so that a session which can have one can have the other.
    public func channel(for session: SessionID) -> String {
        switch platform {
        case .posix: path(session.rawValue, Self.channelEnd)
        case .windows: "\\\\.\\pipe\\pi-ctl-" + session.rawValue
        }
    }

    /// The file with the session's record: what it is, and how it ended.
    public func record(for session: SessionID) -> String { path(session.rawValue, Self.recordEnd) }

    /// The file with the room for the last record of one life of the session.
    package func reserve(for session: SessionID, epoch: String) -> String {
        path(session.rawValue, ".\(epoch)", Self.reserveEnd)
    }

    /// The path of a file of kept output.
    package func segment(_ segment: SegmentName) -> String { path(segment.text, "") }

    /// The file that holds the keeper's pid as a bare decimal integer; discovery looks for its presence.
    public func keeperPID(for session: SessionID) -> String {
        pidFile(session, Self.keeperPIDEnd)
    }

    /// The file that holds the child's pid.
    ///
    /// The name ends in `-pid`, not `.pid`, so that discovery cannot take it for a keeper's.
    public func childPID(for session: SessionID) -> String {
        pidFile(session, Self.childPIDEnd)
    }

    /// The file to which the keeper writes its log.
    public func log(for session: SessionID) -> String {
        path(Self.logStart, session.rawValue, Self.logEnd)
    }

    /// The file that catches the keeper's stderr before its own log is open.
    public func launchLog(for session: SessionID) -> String {
        path(Self.launchLogStart, session.rawValue, Self.logEnd)
    }

    // MARK: - From a file name back to its session

    /// The session whose keeper's pid is in a file of this name (no directory); nil if the name is of another form or
    /// the id in it is not valid.
    public func sessionID(ofKeeperPIDFileNamed name: String) -> SessionID? {
        switch platform {
        case .posix: Self.session(in: name, after: "", before: Self.socketPIDEnd)
        case .windows: Self.session(in: name, after: Self.pipeStart, before: Self.keeperPIDEnd)
        }
    }

    /// The session whose child's pid is in a file of this name (no directory); nil if there is none.
    public func sessionID(ofChildPIDFileNamed name: String) -> SessionID? {
        switch platform {
        case .posix: Self.session(in: name, after: "", before: Self.socketChildPIDEnd)
        case .windows: Self.session(in: name, after: Self.pipeStart, before: Self.childPIDEnd)
        }
    }

    /// The id in the name of a keeper's pid file or socket (no directory) if it is no valid ``SessionID``, as the
    /// original allows; nil for other names.
    public func foreignSessionID(ofFileNamed name: String) -> String? {
        let stem =
            switch platform {
            case .posix:
                Self.middle(of: name, after: "", before: Self.socketPIDEnd)
                    ?? Self.middle(of: name, after: "", before: Self.socketEnd)
            case .windows: Self.middle(of: name, after: Self.pipeStart, before: Self.keeperPIDEnd)
            }
        guard let stem, !stem.isEmpty else { return nil }
        let id = String(Substring(stem))
        return (try? SessionID(id)) == nil ? id : nil
    }

    /// The session whose record has this file name (no directory); nil if there is none.
    public func sessionID(ofRecordNamed name: String) -> SessionID? {
        Self.session(in: name, after: "", before: Self.recordEnd)
    }

    /// The session and the epoch in the name of a file with room for a record; nil for other names.
    package static func reserve(named name: String) -> (session: SessionID, epoch: String)? {
        guard let stem = middle(of: name, after: "", before: reserveEnd), stem.count > 17 else { return nil }
        let epoch = String(Substring(stem.suffix(16)))
        let rest = stem.dropLast(16)
        guard rest.last == UInt8(ascii: "."), SessionRecord.isEpoch(epoch),
            let session = try? SessionID(String(Substring(rest.dropLast())))
        else { return nil }
        return (session, epoch)
    }

    /// The session whose socket has this file name (no directory); nil if there is none.
    public func sessionID(ofSocketNamed name: String) -> SessionID? {
        switch platform {
        case .posix: Self.session(in: name, after: "", before: Self.socketEnd)
        // A named pipe is in no directory.
        case .windows: nil
        }
    }

    /// The session whose keeper's log has this file name (no directory); nil if there is none.
    ///
    /// Nil for every name that starts with `keeper-launch-`, and so also for the log of a session `launch-x`, which
    /// cannot be told from the launch log of session `x`.
    public func sessionID(ofKeeperLogNamed name: String) -> SessionID? {
        guard !name.utf8.starts(with: Self.launchLogStart.utf8) else { return nil }
        return Self.session(in: name, after: Self.logStart, before: Self.logEnd)
    }

    /// The session whose launch log has this file name (no directory); nil if there is none.
    ///
    /// The log of a session `launch-x` reads as the launch log of session `x`.
    public func sessionID(ofLaunchLogNamed name: String) -> SessionID? {
        Self.session(in: name, after: Self.launchLogStart, before: Self.logEnd)
    }

    // MARK: - How long a socket's path may be

    /// The most bytes of a socket's path: 107 on Linux, 103 on macOS and the BSDs.
    public static var maximumSocketPathLength: Int { SocketPath.maximumLength }

    /// The number of bytes by which the socket's path could still grow; negative if the path is too long.
    ///
    /// `Int.max` for Windows: a pipe's name does not contain the directory, and the longest id fits.
    public func socketPathBytesLeft(for session: SessionID) -> Int {
        switch platform {
        case .posix: Self.maximumSocketPathLength - RawText.byteCount(of: socket(for: session))
        case .windows: .max
        }
    }

    // MARK: - Temporary names

    /// A path at which a socket can be bound before it is linked to its final name: `<dir>/.<tag>.s`.
    ///
    /// The tag is five of `0-9 a-z` made from `random`. The path is never longer than the shortest final one,
    /// `<dir>/a.rpc.sock`: a session whose ``socketPathBytesLeft(for:)`` is not negative can also be bound here. Two
    /// random numbers may share a tag, so `EADDRINUSE` means: try another number. Windows has no such names: its pipes
    /// have no files.
    public func temporarySocketName(random: UInt64) -> String {
        path(Self.temporarySocketStart, RandomTag.text(random), Self.temporarySocketEnd)
    }

    /// True if a file name (no directory) has the shape of ``temporarySocketName(random:)``.
    public static func isTemporarySocketName(_ fileName: String) -> Bool {
        guard let tag = middle(of: fileName, after: temporarySocketStart, before: temporarySocketEnd) else {
            return false
        }
        return RandomTag.matches(tag)
    }

    /// A path next to `path` at which its next contents can be written before a rename: `<path>.<tag>.tmp`.
    ///
    /// The tag is five of `0-9 a-z` made from `random`; create the file exclusively and try another number on `EEXIST`.
    public func temporaryFile(for path: String, random: UInt64) -> String {
        "\(path).\(RandomTag.text(random))\(Self.temporaryFileEnd)"
    }

    /// True if a file name or path has the shape of ``temporaryFile(for:random:)``.
    ///
    /// Other programs use this shape too: look only in the sessions directory before removing anything.
    public static func isTemporaryFileName(_ name: String) -> Bool {
        guard let stem = middle(of: name, after: "", before: temporaryFileEnd) else { return false }
        let beforeTag = stem.dropLast(RandomTag.length)
        return beforeTag.count >= 2 && beforeTag.last == UInt8(ascii: ".")
            && RandomTag.matches(stem.suffix(RandomTag.length))
    }

    /// True if a file that a process has open, by the name the system reports, is or was a keeper's pid file. A pid
    /// file is opened under a temporary name, which goes once the file has its own.
    package static func isKeeperPIDFile(openAs path: String) -> Bool {
        var name = path.utf8[...]
        let deleted = " (deleted)".utf8
        if name.count > deleted.count, name.suffix(deleted.count).elementsEqual(deleted) {
            name = name.dropLast(deleted.count)
        }
        if isTemporaryFileName(String(Substring(name))) {
            name = name.dropLast(temporaryFileEnd.utf8.count + RandomTag.length + 1)
        }
        return name.suffix(socketPIDEnd.utf8.count).elementsEqual(socketPIDEnd.utf8)
    }

    // MARK: - Parts of names

    package static let socketEnd = ".rpc.sock"
    package static let channelEnd = ".ctl.sock"
    package static let recordEnd = ".session.json"
    package static let reserveEnd = ".reserve"
    private static let pipeStart = "pi-rpc-"
    /// The end of the names of keepers' pid files; other files may share it.
    package static let keeperPIDEnd = ".pid"
    package static let socketPIDEnd = socketEnd + keeperPIDEnd
    package static let childPIDEnd = ".pi-pid"
    private static let socketChildPIDEnd = socketEnd + childPIDEnd
    private static let logStart = "keeper-"
    private static let launchLogStart = "keeper-launch-"
    package static let logEnd = ".log"
    private static let temporarySocketStart = "."
    package static let temporarySocketEnd = ".s"
    package static let temporaryFileEnd = ".tmp"

    private func pidFile(_ session: SessionID, _ end: String) -> String {
        switch platform {
        case .posix: path(session.rawValue, Self.socketEnd, end)
        case .windows: path(Self.pipeStart, session.rawValue, end)
        }
    }

    private func path(_ first: String, _ second: String, _ third: String = "") -> String {
        platform.join(directory, first, second, third)
    }

    private static func session(in name: String, after start: String, before end: String) -> SessionID? {
        guard let id = middle(of: name, after: start, before: end) else { return nil }
        // Names in a directory are outside our control: one that is no session's is no error.
        return try? SessionID(String(Substring(id)))
    }

    /// The part of `name` between `start` and `end`; nil if `name` does not have both without overlap.
    ///
    /// Names are compared as bytes, not characters: `hasSuffix` would join a combining mark to the dot before it.
    private static func middle(of name: String, after start: String, before end: String) -> Substring.UTF8View? {
        let bytes = name.utf8
        let length = bytes.count - start.utf8.count - end.utf8.count
        guard length >= 0 else { return nil }
        let first = bytes.index(bytes.startIndex, offsetBy: start.utf8.count)
        let last = bytes.index(first, offsetBy: length)
        guard isEqual(bytes[..<first], start), isEqual(bytes[last...], end) else { return nil }
        return bytes[first..<last]
    }

    private static func isEqual(_ bytes: Substring.UTF8View, _ text: String) -> Bool {
        var (bytes, text) = (Substring(bytes), text)
        // The comparison of the buffers is fast; with the views it would cost a discovery as much as all its other work
        // on a name.
        return bytes.withUTF8 { bytes in text.withUTF8 { bytes.elementsEqual($0) } }
    }
}
