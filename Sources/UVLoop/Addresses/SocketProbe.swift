internal import CLibUV

/// The answer at a unix socket's path, found by connecting and closing again at once.
///
/// Connecting to a unix socket never waits: the kernel accepts into the listener's backlog, or refuses, without asking the
/// listening process, so a probe is safe on any thread and returns at once even when that process is frozen.
public enum SocketProbe: Hashable, Sendable {
    /// A process listens. `pid` is the process that called `listen`, nil if the system does not tell it, or tells that
    /// this process has ended: another process may have inherited the socket. Before Linux 6.5 the end is not told, and
    /// the number may be another process's by now; only ``withListener(_:)`` proves the identity.
    case accepting(pid: Int32?)
    /// A file is there and nobody listens on it: a stale socket, or no socket at all (H06: both refuse alike). A
    /// symbolic link counts as refused wherever it leads: the listener there has another name.
    case refused
    /// No file has the path.
    case missing
    /// The answer is unknown: no permission, the path is too long, descriptors have run out.
    case failed(UVError)

    /// A listening process, with a descriptor that identifies it.
    public struct Listener {
        /// The process.
        public let process: ProcessDescriptor
        /// The user that the process acted as when it called `listen`.
        public let userID: UInt32
    }

    /// Probes `path` now.
    public init(_ path: String) {
        self = SocketProbe.withListener(path).probe
    }

    /// Probes `path` now, and identifies the listener.
    ///
    /// - Returns: the answer, and the listening process if the kernel can show that it called `listen` and still runs.
    /// Its descriptor cannot come to mean another process that gets the same number later. Mirrors
    /// `getsockopt(SO_PEERPIDFD)`.
    public static func withListener(_ path: String) -> (probe: SocketProbe, listener: Listener?) {
        do throws(UVError) {
            let address = try SocketPath.address(path)
            // The kind of file is checked first, since `connect` always follows links.
            let file = try Files.status(of: path, followingLinks: false)
            guard file.kind == .socket else { return (.refused, nil) }
            return try OwnedDescriptor(try checkErrno(uvloop_socket())).whileOpen { descriptor throws(UVError) in
                try checkErrno(address.withSockaddr { connect(descriptor, $0, $1) })
                return accepting(descriptor, file)
            }
        } catch {
            switch error {
            // The backlog is full: the listener lives, and is busy or frozen.
            case .wouldBlock: return (.accepting(pid: nil), nil)
            case .connectionRefused, .notSocket: return (.refused, nil)
            case .noEntry: return (.missing, nil)
            default: return (.failed(error), nil)
            }
        }
    }

    /// The answer for a connection that was accepted: the process at its other end.
    private static func accepting(_ descriptor: CInt, _ file: FileStatus) -> (SocketProbe, Listener?) {
        let peer = uvloop_peer(descriptor)
        let pid = peer.pid
        guard pid > 0 else { return (.accepting(pid: nil), nil) }
        #if os(Linux)
        let pidfd = uvloop_peer_pidfd(descriptor)
        if pidfd >= 0 {
            let process = ProcessDescriptor(takingOwnershipOf: pidfd, pid: pid)
            // If the file was exchanged for a link to another user's socket after it was checked, their owners differ.
            guard !process.hasEnded, peer.uid == file.owner else { return (.accepting(pid: nil), nil) }
            return (.accepting(pid: pid), Listener(process: process, userID: peer.uid))
        }
        // A newer kernel fails with another error if the process is gone.
        guard uvloop_errno() == ENOPROTOOPT else { return (.accepting(pid: nil), nil) }
        #endif
        return (.accepting(pid: pid), nil)
    }
}
