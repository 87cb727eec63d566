internal import UVLoop

/// A connect to one of a keeper's sockets: tried again while its backlog is full, until it is there or has failed.
///
/// A full backlog means a keeper that lives and is busy, and nothing tells when it clears (H16): fresh pipes are tried after
/// small, random pauses. Bound it with a timer.
final class KeeperConnect {
    /// A connected stream, and the socket file that it leads to; nil if that has gone already. While a keeper has its socket
    /// bound, its inode is not used again.
    typealias Connected = (stream: PipeStream, socket: FileIdentity?)

    private let path: String
    private let loop: Loop
    private let retries: Backoff
    private var stream: PipeStream?
    private var completion: ((Result<Connected, UVError>) -> Void)?

    /// Connects; `completion` runs once, on a later tick, unless it is closed before.
    ///
    /// - Throws: what ``SocketPath/check(_:)`` throws, and ``UVError/tooManyOpenFiles`` and its like.
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
        // The cycle is undone at the end.
        retries.onCanceled = { self.end(.failure(.canceled)) }
        retries.start {
            do throws(UVError) { try self.connect() } catch { self.end(.failure(error)) }
        }
    }

    /// The socket file, if lines are for the process at its other end.
    ///
    /// - Throws: ``UVError/notPermitted`` if that process is neither this user's nor root's: nothing is for its eyes. That holds
    ///   for root's lines too, whoever's directory root may use. ``UVError/notSocket`` if the socket's name is a symbolic
    ///   link's: no keeper's is.
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

    /// Gives it up, without a call.
    func close() {
        stream?.close()
        stream = nil
        completion = nil
        retries.close()
    }

    /// The file that has a socket's name, a link itself; nil if there is none.
    static func file(at path: String) -> FileStatus? {
        do throws(UVError) { return try Files.status(of: path, followingLinks: false) } catch { return nil }
    }

    /// True unless there is no file that has a socket's name. A path that cannot be looked at is an error of the connection's.
    static func isPresent(_ path: String) -> Bool {
        do throws(UVError) { _ = try Files.status(of: path, followingLinks: false) } catch { return error != .noEntry }
        return true
    }
}
