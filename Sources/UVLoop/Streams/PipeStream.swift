internal import CLibUV

/// A connected unix socket (a named pipe on Windows), or one end of a pipe. Mirrors `uv_pipe_t`.
public final class PipeStream: Stream {
    private init(on loop: Loop, isConnected: Bool) throws(UVError) {
        // The third argument, ipc, is 0: passing descriptors is another protocol (H15).
        try super.init(uv_pipe_t.self, on: loop, isConnected: isConnected) { uv_pipe_init(loop.raw, $0, 0) }
    }

    /// Wraps a connected socket or the end of a pipe and takes ownership of its descriptor, which becomes non-blocking
    /// for everybody who shares the open file (H34). Mirrors `uv_pipe_open`.
    ///
    /// - Throws: ``UVError/badDescriptor``, ``UVError/exists`` for a descriptor that the loop watches already,
    /// ``UVError/invalidArgument`` for a regular file or a directory; the caller then still owns the descriptor.
    public convenience init(takingOwnershipOf descriptor: Int32, on loop: Loop) throws(UVError) {
        // epoll refuses files and directories; libuv would take them, and abort the process at the first read.
        switch try FileStatus(ofDescriptor: descriptor).kind {
        case .regular, .directory: throw .invalidArgument
        case .socket, .symbolicLink, .other: break
        }
        try self.init(pollable: descriptor, on: loop)
    }

    /// Wraps a descriptor that is known to be a socket or a pipe, without checks: a server accepts many.
    convenience init(pollable descriptor: CInt, on loop: Loop) throws(UVError) {
        try self.init(on: loop, isConnected: true)
        do {
            try check(uv_pipe_open(raw.pipe, descriptor))
        } catch {
            close()
            throw error
        }
    }

    /// Connects to the unix socket at `path`; `completion` runs once, on a later tick.
    ///
    /// With an error, the stream is closing already: every attempt takes a fresh stream (H17). Bytes written meanwhile
    /// are queued and sent after the connect, or end with its error. A full backlog is reported as
    /// ``UVError/wouldBlock``, and its end is not reported (H16): try again a little later. Closing before the
    /// completion ends the connect with ``UVError/canceled`` (H20).
    ///
    /// Mirrors `uv_pipe_connect`, by system calls of its own: a unix socket is connected, or refused, when `connect(2)`
    /// returns, so there is nothing to wait for.
    ///
    /// - Throws: the errors of ``SocketPath/check(_:)``, before anything is opened.
    public convenience init(
        connectingTo path: String,
        on loop: Loop,
        completion: @escaping (PipeStream, UVError?) -> Void,
    ) throws(UVError) {
        let address = try SocketPath.address(path)
        try self.init(on: loop, isConnected: false)
        onConnect = { [unowned self] in completion(self, $0) }
        let error = connect(to: address)
        loop.onNextTick { self.connected(error) }
    }

    private func connect(to address: sockaddr_un) -> UVError? {
        do throws(UVError) {
            let socket = OwnedDescriptor(try checkErrno(uvloop_socket()))
            try socket.handOver { descriptor throws(UVError) in
                try checkErrno(address.withSockaddr { CLibUV.connect(descriptor, $0, $1) })
                try check(uv_pipe_open(raw.pipe, descriptor))
            }
            return nil
        } catch {
            return error
        }
    }

    /// The process that listens, or listened, at the other end of a connection, or that made the socket pair, and its
    /// user; each nil if the system does not tell. Mirrors `SO_PEERCRED`.
    public var peer: (processID: Int32?, userID: UInt32?) {
        guard let peer = descriptor.map(uvloop_peer) else { return (nil, nil) }
        return (peer.pid > 0 ? peer.pid : nil, peer.uid == .max ? nil : peer.uid)
    }
}
