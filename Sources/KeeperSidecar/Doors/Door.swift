internal import KeeperProtocol
internal import UVLoop

/// A socket of the session: bound and listening under a temporary name first, so that it appears under its final name
/// with its mode, its listener and its child all in place.
final class Door {
    /// The sockets of a session.
    enum Kind {
        /// The original's one-way socket, for lines alone.
        case raw
        case channel

        /// The path of the session's socket of this kind.
        func path(of session: SessionID, in paths: KeeperPaths) -> String {
            switch self {
            case .raw: paths.socket(for: session)
            case .channel: paths.channel(for: session)
            }
        }
    }

    let kind: Kind
    let listener: PipeListener
    private let temporary: String
    private let path: String
    /// The socket's path as messages show it.
    let shownPath: String
    private var isPublished = false
    private var isRemoved = false

    /// - Parameter shown: the paths as messages show them.
    init(
        _ kind: Kind, of session: SessionID, paths: KeeperPaths, shown: KeeperPaths, on loop: Loop,
    ) throws(KeeperFailure) {
        self.kind = kind
        path = kind.path(of: session, in: paths)
        shownPath = kind.path(of: session, in: shown)
        var attempts = 8
        while true {
            let temporary = paths.temporarySocketName(random: .random(in: .min ... .max))
            attempts -= 1
            let result = Door.bind(temporary, on: loop)
            switch result {
            case .success(let listener):
                self.listener = listener
                self.temporary = temporary
                return
            case .failure(.addressInUse) where attempts > 0: continue
            case .failure(let error):
                throw .badConfiguration("cannot bind a socket in \(shown.directory): \(error)")
            }
        }
    }

    /// Throws if the session's socket would have a path that is too long.
    static func checkLength(_ session: SessionID, _ paths: KeeperPaths) throws(KeeperFailure) {
        let bytesLeft = paths.socketPathBytesLeft(for: session)
        guard bytesLeft < 0 else { return }
        throw .badConfiguration(
            "the socket path \(paths.socket(for: session)) is \(-bytesLeft) bytes too long; use a shorter session id or "
                + "a shorter \(KeeperVariable.dashboardHome)")
    }

    /// Throws if the session's socket has a listener, or if the file at its path cannot be replaced.
    static func checkFree(
        _ kind: Kind, of session: SessionID, _ paths: KeeperPaths, shown: KeeperPaths,
    ) throws(KeeperFailure) {
        try checkFree(kind.path(of: session, in: paths), shown: kind.path(of: session, in: shown))
    }

    private static func checkFree(_ real: String, shown path: String) throws(KeeperFailure) {
        let kind: FileStatus.Kind
        do throws(UVError) {
            kind = try Files.status(of: real, followingLinks: false).kind
            guard kind != .directory else { throw .isDirectory }
        } catch .noEntry {
            return
        } catch {
            throw .badConfiguration("the socket path \(path) cannot be used: \(error); remove what is there")
        }
        // A symbolic link is never a keeper's socket, but a link to a live socket is left alone too.
        switch SocketProbe(kind == .symbolicLink ? behindLinks(real) : real) {
        case .accepting(let pid):
            throw .sessionTaken("the socket \(path) is served by \(pid.map { "process \($0)" } ?? "another process")")
        case .missing, .refused: break
        case .failed(let error): throw .badConfiguration("cannot tell whether the socket \(path) is free: \(error)")
        }
    }

    private static func behindLinks(_ path: String) -> String {
        do throws(UVError) { return try Files.realPath(of: path) } catch { return path }
    }

    /// Gives the listening socket its final name. A file without a listener is replaced, as the original does; a live
    /// socket never.
    func publish() throws(KeeperFailure) {
        // The lock excludes another keeper of the same session, but not the original's, which has no lock: it could
        // bind the name between two steps here, hence a rename that replaces nothing.
        for _ in 0..<3 {
            do throws(UVError) {
                try Files.rename(temporary, toNew: path)
                isPublished = true
                return
            } catch .exists {
                try Door.checkFree(path, shown: shownPath)
                try removeStale()
            } catch {
                throw .badConfiguration("cannot publish the socket \(shownPath): \(error)")
            }
        }
        throw .sessionTaken("the socket \(shownPath) comes back as often as it is removed")
    }

    /// True if the file at the session's socket path is this one.
    var isInPlace: Bool {
        do throws(UVError) {
            return try Files.status(of: path, followingLinks: false).identity == listener.identity
        } catch {
            return false
        }
    }

    /// Removes the name, if it is still this socket's, and stops listening. Idempotent.
    func remove(log: KeeperLog) {
        guard !isRemoved else { return }
        isRemoved = true
        // The name goes first: once the socket is closed, another keeper's socket may get its inode.
        defer { listener.close() }
        let name = isPublished ? path : temporary
        do throws(UVError) {
            try Files.unlink(name, ifStill: listener.identity)
        } catch {
            log.write("cannot remove \(name): \(error)")
        }
    }

    private func removeStale() throws(KeeperFailure) {
        do throws(UVError) {
            try Files.unlinkIfPresent(path)
        } catch {
            throw .badConfiguration("cannot remove the stale socket \(shownPath): \(error)")
        }
    }

    private static func bind(_ path: String, on loop: Loop) -> Result<PipeListener, UVError> {
        Result { () throws(UVError) in try PipeListener(bindingTo: path, on: loop) }
    }
}
