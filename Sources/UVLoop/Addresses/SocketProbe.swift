internal import CLibUV

/// What answers at a unix socket's path, found out by connecting and closing again at once.
///
/// Connecting to a unix socket never waits: the kernel accepts into the listener's backlog, or refuses, without asking the
/// listening process, so a probe is safe on any thread and returns at once even when that process is frozen.
public enum SocketProbe: Hashable, Sendable {
    /// Somebody listens; `pid` is the process that called `listen`, if the system tells and does not say that it has ended:
    /// the socket may have gone on to another one. Before Linux 6.5 it does not say, and the number may be another
    /// process's by now; only ``withListener(_:)`` proves anything.
    case accepting(pid: Int32?)
    /// A file is there and nobody listens on it: a stale socket, or no socket at all (H06). A symbolic link counts as none,
    /// wherever it leads: whoever listens there listens under another name.
    case refused
    /// Nothing is there.
    case missing
    /// It cannot be told: no permission, the path is too long, descriptors have run out.
    case failed(UVError)

    /// A process that listens, held fast.
    public struct Listener {
        /// The process.
        public let process: ProcessDescriptor
        /// The user it acted as when it called `listen`.
        public let userID: UInt32
    }

    /// Probes `path` now.
    public init(_ path: String) {
        self = SocketProbe.withListener(path).probe
    }

    /// Probes `path` now.
    ///
    /// - Returns: also the process that listens, held fast, if it can be shown that it called `listen` and still runs: by
    ///   the kernel's own hold on it, which no other process that has its number later can take over. Mirrors
    ///   `getsockopt(SO_PEERPIDFD)`.
    public static func withListener(_ path: String) -> (probe: SocketProbe, listener: Listener?) {
        do throws(UVError) {
            let address = try SocketPath.address(path)
            // `connect` follows links, and cannot be told not to.
            let file = try Files.status(of: path, followingLinks: false)
            guard file.kind == .socket else { return (.refused, nil) }
            return try OwnedDescriptor(try checkErrno(uvloop_socket())).whileOpen { descriptor throws(UVError) in
                try checkErrno(address.withSockaddr { connect(descriptor, $0, $1) })
                return accepting(descriptor, file)
            }
        } catch {
            switch error {
            // A full backlog: the listener lives and is busy, or frozen.
            case .wouldBlock: return (.accepting(pid: nil), nil)
            case .connectionRefused, .notSocket: return (.refused, nil)
            case .noEntry: return (.missing, nil)
            default: return (.failed(error), nil)
            }
        }
    }

    /// What is known of whoever listens at the other end of a connection.
    private static func accepting(_ descriptor: CInt, _ file: FileStatus) -> (SocketProbe, Listener?) {
        let peer = uvloop_peer(descriptor)
        let pid = peer.pid
        guard pid > 0 else { return (.accepting(pid: nil), nil) }
        #if os(Linux)
        let pidfd = uvloop_peer_pidfd(descriptor)
        if pidfd >= 0 {
            let process = ProcessDescriptor(takingOwnershipOf: pidfd, pid: pid)
            // If the file was exchanged for a link to another user's socket after the look, their owners differ.
            guard !process.hasEnded, peer.uid == file.owner else { return (.accepting(pid: nil), nil) }
            return (.accepting(pid: pid), Listener(process: process, userID: peer.uid))
        }
        // Newer kernels have no such hold on a process that is gone.
        guard uvloop_errno() == ENOPROTOOPT else { return (.accepting(pid: nil), nil) }
        #endif
        return (.accepting(pid: pid), nil)
    }
}
