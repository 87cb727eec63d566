internal import UVLoop

/// A connect to a socket of a keeper: tried again while its backlog is full, until it succeeds or fails.
///
/// A full backlog means a keeper that lives and is busy, and no event tells when it clears (H16: connects fail with
/// EAGAIN): fresh pipes are tried after small, random pauses. Bound the connect with a timer.
final class KeeperConnect {
    /// A connected stream, and the identity of its socket file; nil if the file is gone already. The inode is not used
    /// again as long as a keeper has its socket bound.
    typealias Connected = (stream: PipeStream, socket: FileIdentity?)

    private let path: String
    private let loop: Loop
    private let retries: Backoff
    private var stream: PipeStream?
    private var completion: ((Result<Connected, UVError>) -> Void)?

    /// Connects; `completion` runs once, on a later tick, unless the connect is closed before.
    ///
    /// - Throws: the errors of ``SocketPath/check(_:)``, and ``UVError/tooManyOpenFiles`` and its like.
    init(
        to path: String, on loop: Loop, completion: @escaping (Result<Connected, UVError>) -> Void,
    ) throws(UVError) {
        self.path = path
        self.loop = loop
        retries = Backoff(from: .milliseconds(1), to: .milliseconds(16), isRandom: true, on: loop)
        try connect()
        self.completion = completion
    }

    private func connect() throws(UVError) {
        stream = try PipeStream(connectingTo: path, on: loop) { stream, error in self.connected(stream, error) }
    }

    private func connected(_ stream: PipeStream, _ error: UVError?) {
        self.stream = nil
        guard completion != nil else { return }
        if let error { return error == .wouldBlock ? retry() : end(.failure(error)) }
        do throws(UVError) {
            end(.success((stream, try socket(of: stream))))
        } catch {
            stream.close()
            end(.failure(error))
        }
    }

    private func retry() {
        // The reference cycle is broken at the end.
        retries.onCanceled = { self.end(.failure(.canceled)) }
        retries.start {
            do throws(UVError) { try self.connect() } catch { self.end(.failure(error)) }
        }
    }

    /// The socket file, if the process at its other end may have the lines.
    ///
    /// - Throws: ``UVError/notPermitted`` if that process is neither this user's nor root's: it must not see the lines.
    ///   The same holds for root's lines, whichever directory root uses. ``UVError/notSocket`` if the socket's path is
    ///   a symbolic link, which no keeper makes.
    private func socket(of stream: PipeStream) throws(UVError) -> FileIdentity? {
        guard stream.peer.userID.map({ $0 == 0 || $0 == CurrentProcess.userID }) ?? true else { throw .notPermitted }
        let file = KeeperConnect.file(at: path)
        guard file?.kind != .symbolicLink else { throw .notSocket }
        return file?.identity
    }

    private func end(_ result: Result<Connected, UVError>) {
        let completion = completion
        close()
        completion?(result)
    }

    /// Gives up the connect, without a call.
    func close() {
        stream?.close()
        stream = nil
        completion = nil
        retries.close()
    }

    /// The file at a socket's path, a link itself if it is one; nil if there is none.
    static func file(at path: String) -> FileStatus? {
        do throws(UVError) { return try Files.status(of: path, followingLinks: false) } catch { return nil }
    }

    /// False if there is no file at a socket's path. A path that cannot be looked at counts as present: the connection
    /// then reports the error.
    static func isPresent(_ path: String) -> Bool {
        do throws(UVError) { _ = try Files.status(of: path, followingLinks: false) } catch { return error != .noEntry }
        return true
    }
}
