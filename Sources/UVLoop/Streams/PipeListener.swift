internal import CLibUV

/// A unix socket that other processes connect to.
///
/// Bound by our own system calls and accepted by our own `accept`, with libuv watching the descriptor. libuv's own
/// listener truncates long names and unlinks paths that are not its own (H01 to H05), and when descriptors run out it
/// either drops every waiting client (H10) or spins (H11); here those clients wait in the kernel's backlog until there
/// are descriptors again. The path is never unlinked by this type. Mirrors `uv_pipe_bind`, `uv_listen`, `uv_accept`.
public final class PipeListener: Handle {
    /// Length of the queue of clients that have connected and are not yet accepted. What Node uses.
    public static let defaultBacklog = 511

    /// The path the socket was bound to.
    public let path: String
    /// Device and inode of the socket file, to recognise it by before unlinking it.
    public let identity: FileIdentity

    let descriptor: CInt
    /// Given each client's descriptor, or why there is none; the error it returns keeps it from taking more for now.
    private var onClient: ((PipeListener, Result<CInt, UVError>) -> UVError?)?
    private var isPaused = true
    private let retries: Backoff

    /// Bounds how long one wake-up keeps the loop (H13).
    private static let acceptsPerWakeUp = 64

    /// Creates a socket file with mode 0600, right from its first instant, that nobody can connect to yet: connects are
    /// refused until ``listen(backlog:_:)``.
    ///
    /// - Throws: what ``SocketPath/check(_:)`` throws; ``UVError/addressInUse`` if the path exists, whatever it is;
    ///   ``UVError/noEntry``, ``UVError/notDirectory``, ``UVError/accessDenied``, as `bind(2)` has them (libuv would say
    ///   accessDenied for a missing directory, H03).
    public init(bindingTo path: String, on loop: Loop) throws(UVError) {
        let address = try SocketPath.address(path)
        let descriptor = try checkErrno(uvkeeper_socket())
        do throws(UVError) {
            // Linux gives the file the mode of the unbound socket; elsewhere the directory's mode is what protects it.
            try checkErrno(fchmod(descriptor, 0o600))
            try checkErrno(address.withSockaddr { bind(descriptor, $0, $1) })
            do throws(UVError) {
                let status = try Files.status(of: path, followingLinks: false)
                // The umask may have taken a bit of the owner's.
                if status.permissions != 0o600 { try Files.setPermissions(0o600, of: path) }
                identity = status.identity
                self.path = path
                self.descriptor = descriptor
                retries = Backoff(from: .milliseconds(10), to: .seconds(1), on: loop)
                try super.init(uv_poll_t.self, on: loop) { uv_poll_init(loop.raw, $0, descriptor) }
            } catch {
                // Made a moment ago, by the bind. The error that is told is the first one.
                do throws(UVError) { try Files.unlinkIfPresent(path) } catch { throw error }
                throw error
            }
        } catch {
            Descriptors.close(descriptor)
            throw error
        }
    }

    /// Starts listening and accepting; `onConnection` is given each client as an open stream that belongs to it, or an
    /// error when none can be accepted just now.
    ///
    /// After an error (descriptors or memory have run out) accepting pauses and is tried again by itself after 10 ms, then
    /// ever more rarely up to once a second; the error is reported once until a client is accepted again.
    ///
    /// - Parameter backlog: how many clients may wait; the system has a limit of its own.
    public func listen(
        backlog: Int = defaultBacklog,
        _ onConnection: @escaping (PipeListener, Result<PipeStream, UVError>) -> Void,
    ) throws(UVError) {
        try listen(backlog) { listener, client in
            switch client {
            case .failure(let error): onConnection(listener, .failure(error))
            case .success(let descriptor):
                do throws(UVError) {
                    onConnection(listener, .success(try PipeStream(pollable: descriptor, on: listener.loop)))
                } catch {
                    Descriptors.close(descriptor)
                    return error
                }
            }
            return nil
        }
    }

    /// The same, but each client is given as a non-blocking descriptor that belongs to `onDescriptor`, for programs that
    /// read it by system calls of their own.
    public func listenForDescriptors(
        backlog: Int = defaultBacklog,
        _ onDescriptor: @escaping (PipeListener, Result<Int32, UVError>) -> Void,
    ) throws(UVError) {
        try listen(backlog) { listener, client in
            onDescriptor(listener, client)
            return nil
        }
    }

    private func listen(
        _ backlog: Int, _ onClient: @escaping (PipeListener, Result<CInt, UVError>) -> UVError?,
    ) throws(UVError) {
        guard isUsable("PipeListener.listen: the listener is closed") else { throw .canceled }
        try checkErrno(CLibUV.listen(descriptor, CInt(clamping: backlog)))
        self.onClient = onClient
        isPaused = false
        try watch()
    }

    /// Stops accepting; clients wait in the backlog, and once that is full their connects fail with
    /// ``UVError/wouldBlock``.
    public func pause() {
        isPaused = true
        guard !isClosing else { return }
        loop.requireOwner()
        retries.stop()
        // Always returns 0.
        _ = uv_poll_stop(raw.poll)
    }

    /// Accepts again after ``pause()``. If there is no watch left for it, that is told and tried again as after any other error
    /// of accepting.
    ///
    /// - Throws: ``UVError/canceled`` when the loop has closed it.
    public func resume() throws(UVError) {
        guard isUsable("PipeListener.resume: the listener is closed") else { throw .canceled }
        require(onClient != nil, "PipeListener.resume: listen comes first")
        isPaused = false
        do throws(UVError) { try watch() } catch {
            // Nothing is called within this call.
            loop.onNextTick { [self] in
                if !isPaused, !isClosing { suspend(after: error) }
            }
        }
    }

    private func watch() throws(UVError) {
        try check(
            uv_poll_start(raw.poll, CInt(UV_READABLE.rawValue)) { raw, _, _ in
                // An error of the poll shows in `accept`.
                let listener: PipeListener = object(raw!.pointee.data)
                listener.acceptWaiting()
            }
        )
        do throws(UVError) {
            try Watches.reserve(descriptor, on: loop.raw)
        } catch {
            // Always returns 0.
            _ = uv_poll_stop(raw.poll)
            throw error
        }
    }

    /// Accepts all clients that wait now, also while accepting is paused: before a close, which would reset them.
    ///
    /// - Throws: what keeps the rest from being accepted: ``UVError/tooManyOpenFiles`` and its like.
    public func acceptAll() throws(UVError) {
        guard isUsable("PipeListener.acceptAll: the listener is closed") else { throw .canceled }
        require(onClient != nil, "PipeListener.acceptAll: listen comes first")
        while !isClosing {
            let client = uvkeeper_accept(descriptor)
            guard client >= 0 else {
                switch uvkeeper_errno() {
                case EAGAIN: return
                case EINTR, ECONNABORTED, EPROTO: continue
                case let number: throw UVError(errno: number)
                }
            }
            if let error = onClient?(self, .success(client)) { throw error }
        }
    }

    private func acceptWaiting() {
        for _ in 0..<PipeListener.acceptsPerWakeUp {
            guard !isPaused, !isClosing else { return }
            let client = uvkeeper_accept(descriptor)
            guard client >= 0 else {
                switch uvkeeper_errno() {
                case EAGAIN: return
                case EINTR, ECONNABORTED, EPROTO: continue
                case let number: return suspend(after: UVError(errno: number))
                }
            }
            if let error = onClient?(self, .success(client)) { return suspend(after: error) }
            retries.reset()
        }
    }

    private func suspend(after error: UVError) {
        _ = uv_poll_stop(raw.poll)
        let isFirst = retries.isFirst
        retries.start(isReferenced: isReferenced) { [weak self] in self?.retry() }
        if isFirst { _ = onClient?(self, .failure(error)) }
    }

    private func retry() {
        guard !isPaused, !isClosing else { return }
        do throws(UVError) { try watch() } catch { suspend(after: error) }
    }

    override func willClose() {
        onClient = nil
        retries.close()
        // At once, so that nobody connects to a listener that will not accept. libuv allows it when the poll has stopped.
        _ = uv_poll_stop(raw.poll)
        // A process that was forked a moment ago, and has not called exec yet, holds a copy: the shutdown holds for it too.
        // It fails where it cannot be done for a listener.
        _ = shutdown(descriptor, CInt(SHUT_RDWR))
        Descriptors.close(descriptor)
    }
}
