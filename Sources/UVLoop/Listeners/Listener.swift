internal import CLibUV

/// A socket that others connect to: a unix socket or a TCP port, each a subclass.
///
/// Accepted by our own `accept`, with libuv watching the descriptor: when descriptors run out, libuv's own listener either
/// drops every waiting client (H10) or spins (H11); here those clients wait in the kernel's backlog until there are
/// descriptors again. Mirrors `uv_listen` and `uv_accept`.
public class Listener: Handle {
    /// Length of the queue of clients that have connected and are not yet accepted. What Node uses.
    public static let defaultBacklog = 511

    private enum State {
        /// Bound, and nobody can connect, or a listener from elsewhere that nobody accepts from yet.
        case idle
        case accepting
        /// ``pause()`` was called: clients wait in the backlog.
        case paused
        /// Descriptors or memory have run out; accepting is tried again after a while.
        case backingOff
    }

    /// The listening socket's descriptor, for options that have no name here; it stays the listener's.
    public final let descriptor: Int32

    /// True if another process, or another listener, accepts from the same socket as well, or will: then the socket stays
    /// open for it when this listener closes. True from the start for a listener that was made from a descriptor; set it
    /// before a close that hands the socket over to a successor.
    public final var isShared: Bool

    private var state = State.idle
    /// Given each client's descriptor, or why there is none; the error it returns keeps it from taking more for now.
    private var onClient: ((Result<CInt, UVError>) -> UVError?)?
    private let retries: Backoff

    /// Bounds how long one wake-up keeps the loop (H13).
    private static let acceptsPerWakeUp = 64

    /// Takes ownership of a bound socket; it stays the caller's if this throws.
    init(bound descriptor: CInt, isShared: Bool, on loop: Loop) throws(UVError) {
        self.descriptor = descriptor
        self.isShared = isShared
        retries = Backoff(from: .milliseconds(10), to: .seconds(1), on: loop)
        try super.init(uv_poll_t.self, on: loop) { uv_poll_init(loop.raw, $0, descriptor) }
    }

    /// Checks a descriptor from elsewhere, and keeps it from this process's children.
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

    /// Starts listening and accepting; `onDescriptor` is given each client as a non-blocking descriptor that belongs to it,
    /// for programs that read it by system calls of their own.
    ///
    /// After an error (descriptors or memory have run out) accepting pauses and is tried again by itself after 10 ms, then
    /// ever more rarely up to once a second; the error is reported once until a client is accepted again.
    ///
    /// - Parameters:
    ///   - backlog: how many clients may wait; the system has a limit of its own.
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

    /// For subclasses: makes a stream of each client's descriptor, which is closed if that fails.
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

    /// Stops accepting; clients wait in the backlog, and once that is full their connects fail with
    /// ``UVError/wouldBlock``, or are tried again by their systems if they come over a network.
    public final func pause() {
        state = .paused
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
    public final func resume() throws(UVError) {
        guard isUsable("\(publicName).resume: the listener is closed") else { throw .canceled }
        require(onClient != nil, "\(publicName).resume: listen comes first")
        state = .accepting
        do throws(UVError) { try watch() } catch {
            // Nothing is called within this call.
            loop.onNextTick { [self] in backOff(after: error) }
        }
    }

    /// Accepts all clients that wait now, also while accepting is paused: before a close, which would reset them.
    ///
    /// - Throws: what keeps the rest from being accepted: ``UVError/tooManyOpenFiles`` and its like.
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
                // An error of the poll shows in `accept`.
                let listener: Listener = object(raw!.pointee.data)
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
        // The callback may have closed or paused it.
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
        // At once, so that nobody connects to a listener that will not accept. libuv allows it when the poll has stopped.
        _ = uv_poll_stop(raw.poll)
        // A process that was forked a moment ago, and has not called exec yet, holds a copy: the shutdown holds for it too.
        // It fails where it cannot be done for a listener.
        if !isShared { _ = shutdown(descriptor, CInt(SHUT_RDWR)) }
        OwnedDescriptor(descriptor).close()
    }
}
