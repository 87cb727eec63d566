internal import CLibUV

/// A socket that others connect to: a unix socket or a TCP port, each a subclass.
///
/// Clients are accepted by our own `accept`, with libuv watching the descriptor. When descriptors run out, libuv's own
/// listener either drops every waiting client (H10) or spins (H11); here the clients wait in the kernel's backlog until
/// there are descriptors again. Mirrors `uv_listen` and `uv_accept`.
public class Listener: Handle {
    /// The length of the queue of clients that have connected and are not yet accepted; Node's value.
    public static let defaultBacklog = 511

    private enum State {
        /// The socket is bound but not listening, or listens already (a listener from elsewhere) but is not accepted
        /// from yet.
        case idle
        case accepting
        /// ``pause()`` was called; clients wait in the backlog.
        case paused
        /// Descriptors or memory have run out; accepting is retried after a while.
        case backingOff
    }

    /// The listening socket's descriptor, for options without an API here; the listener closes it.
    public final let descriptor: Int32

    /// True if another process or listener accepts from the same socket, or will: closing this listener then leaves the
    /// socket open for it. True from the start for a listener that was made from a descriptor; set it before a close
    /// that hands the socket over to a successor.
    public final var isShared: Bool

    private var state = State.idle
    /// Receives each client's descriptor, or the reason why there is none; if it returns an error, accepting pauses.
    private var onClient: ((Result<CInt, UVError>) -> UVError?)?
    private let retries: Backoff

    /// The limit of accepts in one wake-up, so that the loop is not kept long (H13).
    private static let acceptsPerWakeUp = 64

    /// Takes ownership of a bound socket; if this throws, the caller still owns it.
    init(bound descriptor: CInt, isShared: Bool, on loop: Loop) throws(UVError) {
        self.descriptor = descriptor
        self.isShared = isShared
        retries = Backoff(from: .milliseconds(10), to: .seconds(1), on: loop)
        try super.init(uv_poll_t.self, on: loop) { uv_poll_init(loop.raw, $0, descriptor) }
    }

    /// Checks a descriptor from elsewhere, and makes it close-on-exec.
    ///
    /// - Throws: ``UVError/badDescriptor``, ``UVError/notSocket``, ``UVError/invalidArgument`` for a socket that is no stream
    ///   socket, is of another family, or is connected.
    static func checkInherited(_ descriptor: Int32, families: Set<Int32>) throws(UVError) {
        var address = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let family = try withUnsafeMutablePointer(to: &address) { (pointer) throws(UVError) in
            try checkErrno(
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) })
            return CInt(pointer.pointee.ss_family)
        }
        let type = try checkErrno(uvloop_socket_type(descriptor))
        guard type == uvloop_stream_socket_type, families.contains(family) else { throw .invalidArgument }
        size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let isConnected = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &size) == 0 }
        }
        guard !isConnected else { throw .invalidArgument }
        try checkErrno(uvloop_close_on_exec(descriptor))
    }

    /// Starts listening and accepting; `onDescriptor` is given each client as a non-blocking descriptor, and owns it.
    /// For programs that read clients by their own system calls.
    ///
    /// After an error (descriptors or memory have run out) accepting pauses and is retried after 10 ms, then ever more
    /// rarely, up to once a second. The error is reported once until a client is accepted again.
    ///
    /// - Parameters:
    ///   - backlog: the number of clients that may wait; the system has a limit of its own.
    ///   - onDescriptor: given each connection, which is the callee's to close, or why one could not be accepted.
    public final func listenForDescriptors(
        backlog: Int = defaultBacklog,
        _ onDescriptor: @escaping (Listener, Result<Int32, UVError>) -> Void,
    ) throws(UVError) {
        try listen(backlog) { [unowned self] client in
            onDescriptor(self, client)
            return nil
        }
    }

    /// For subclasses: makes a stream from each client's descriptor; closes the descriptor if that fails.
    final func listen<Client: Stream>(
        _ backlog: Int, making client: @escaping (CInt) throws(UVError) -> Client,
        _ onConnection: @escaping (Result<Client, UVError>) -> Void,
    ) throws(UVError) {
        try listen(backlog) { result in
            switch result {
            case .failure(let error): onConnection(.failure(error))
            case .success(let descriptor):
                do throws(UVError) {
                    onConnection(.success(try OwnedDescriptor(descriptor).handOver(to: client)))
                } catch {
                    return error
                }
            }
            return nil
        }
    }

    private func listen(
        _ backlog: Int, _ onClient: @escaping (Result<CInt, UVError>) -> UVError?,
    ) throws(UVError) {
        guard isUsable("\(publicName).listen: the listener is closed") else { throw .canceled }
        try checkErrno(CLibUV.listen(descriptor, CInt(clamping: backlog)))
        self.onClient = onClient
        try watch()
    }

    /// Stops accepting. Clients wait in the backlog; once that is full, their connects fail with
    /// ``UVError/wouldBlock``, or, over a network, are retried by their systems.
    public final func pause() {
        state = .paused
        guard !isClosing else { return }
        loop.requireOwner()
        retries.stop()
        // `uv_poll_stop` always returns 0.
        _ = uv_poll_stop(raw.poll)
    }

    /// Accepts again after ``pause()``. If the kernel has no watch left for the socket, the error is reported and
    /// accepting retried as after any other error.
    ///
    /// - Throws: ``UVError/canceled`` if the loop has closed the listener.
    public final func resume() throws(UVError) {
        guard isUsable("\(publicName).resume: the listener is closed") else { throw .canceled }
        require(onClient != nil, "\(publicName).resume: listen comes first")
        state = .accepting
        do throws(UVError) { try watch() } catch {
            // The error is reported on the next tick: no callback runs within this call.
            loop.onNextTick { [self] in backOff(after: error) }
        }
    }

    /// Accepts all clients that wait now, even while accepting is paused. For use before a close, which would reset
    /// them.
    ///
    /// - Throws: the error that keeps the rest from being accepted: ``UVError/tooManyOpenFiles`` and its like.
    public final func acceptAll() throws(UVError) {
        guard isUsable("\(publicName).acceptAll: the listener is closed") else { throw .canceled }
        require(onClient != nil, "\(publicName).acceptAll: listen comes first")
        while !isClosing {
            let client = uvloop_accept(descriptor)
            guard client >= 0 else {
                let error = UVError(errno: uvloop_errno())
                if error == .wouldBlock { return }
                if error == .interrupted || uvloop_is_error_of_client(error.rawValue) != 0 { continue }
                throw error
            }
            if let error = onClient?(.success(client)) { throw error }
        }
    }

    private func watch() throws(UVError) {
        try check(
            uv_poll_start(raw.poll, CInt(UV_READABLE.rawValue)) { raw, _, _ in
                // `accept` reports an error of the poll.
                let listener: Listener = object(raw!.pointee.data)
                listener.acceptWaiting()
            }
        )
        do throws(UVError) {
            try Watches.reserve(descriptor, on: loop.raw)
        } catch {
            // `uv_poll_stop` always returns 0.
            _ = uv_poll_stop(raw.poll)
            throw error
        }
        state = .accepting
    }

    private func acceptWaiting() {
        for _ in 0..<Listener.acceptsPerWakeUp {
            guard case .accepting = state, !isClosing else { return }
            let client = uvloop_accept(descriptor)
            guard client >= 0 else {
                let error = UVError(errno: uvloop_errno())
                if error == .wouldBlock { return }
                if error == .interrupted || uvloop_is_error_of_client(error.rawValue) != 0 { continue }
                return backOff(after: error)
            }
            if let error = onClient?(.success(client)) { return backOff(after: error) }
            retries.reset()
        }
    }

    private func backOff(after error: UVError) {
        // The callback may have closed or paused the listener.
        guard case .accepting = state, !isClosing else { return }
        state = .backingOff
        _ = uv_poll_stop(raw.poll)
        let isFirst = retries.isFirst
        retries.start(isReferenced: isReferenced) { [weak self] in self?.retry() }
        if isFirst { _ = onClient?(.failure(error)) }
    }

    private func retry() {
        guard case .backingOff = state, !isClosing else { return }
        do throws(UVError) {
            try watch()
        } catch {
            state = .accepting
            backOff(after: error)
        }
    }

    override func willClose() {
        onClient = nil
        retries.close()
        // The descriptor is closed at once, so that nobody connects to a listener that will not accept. libuv allows
        // that once the poll has stopped.
        _ = uv_poll_stop(raw.poll)
        // The shutdown also reaches copies of the socket, in a process that was forked a moment ago and has not called
        // exec yet. The call fails on systems that cannot shut a listener down.
        if !isShared { _ = shutdown(descriptor, CInt(SHUT_RDWR)) }
        OwnedDescriptor(descriptor).close()
    }
}
