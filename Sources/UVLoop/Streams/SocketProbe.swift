internal import CLibUV

/// What answers at a unix socket's path, found out by connecting and closing again at once.
///
/// Connecting to a unix socket never waits: the kernel accepts into the listener's backlog, or refuses, without asking the
/// listening process, so a probe is safe on any thread and returns at once even when that process is frozen.
public enum SocketProbe: Hashable, Sendable {
    /// Somebody listens; `pid` is the process that called `listen`, if the system tells.
    case accepting(pid: Int32?)
    /// A file is there and nobody listens on it: a stale socket, or no socket at all (H06).
    case refused
    /// Nothing is there.
    case missing
    /// It cannot be told: no permission, the path is too long, descriptors have run out.
    case failed(UVError)

    /// Probes `path` now.
    public init(_ path: String) {
        do throws(UVError) {
            let address = try SocketPath.address(path)
            let descriptor = try checkErrno(uvkeeper_socket())
            defer { Descriptors.close(descriptor) }
            try checkErrno(address.withSockaddr { connect(descriptor, $0, $1) })
            let pid = uvkeeper_peer(descriptor).pid
            self = .accepting(pid: pid > 0 ? pid : nil)
        } catch {
            switch error {
            // A full backlog: the listener lives and is busy, or frozen.
            case .wouldBlock: self = .accepting(pid: nil)
            case .connectionRefused, .notSocket: self = .refused
            case .noEntry: self = .missing
            default: self = .failed(error)
            }
        }
    }
}
