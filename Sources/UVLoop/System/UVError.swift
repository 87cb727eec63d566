internal import CLibUV

/// An error number of libuv, which on POSIX systems is the negated `errno`.
///
/// An operation that fails at once throws it (typed throws); one that fails later hands it to its completion. End of
/// stream, an exit code other than zero and a full socket buffer are not errors; they have results of their own.
/// Mirrors libuv's `uv_errno_t`.
public struct UVError: Error, RawRepresentable, Hashable, Sendable {
    /// The negative number that libuv returns, for instance -2 for ``noEntry`` on Linux.
    public let rawValue: CInt

    /// Wraps a number returned by libuv, without validation; the ``name`` of an unknown number says so.
    public init(rawValue: CInt) {
        self.rawValue = rawValue
    }

    /// `UV_EACCES`: permission denied.
    public static let accessDenied = UVError(UV_EACCES)
    /// `UV_EADDRINUSE`: the name is already bound; for a unix socket, the file exists.
    public static let addressInUse = UVError(UV_EADDRINUSE)
    /// `UV_EAFNOSUPPORT`: the operation, or the system, does not support addresses of that family.
    public static let addressFamilyNotSupported = UVError(UV_EAFNOSUPPORT)
    /// `UV_EADDRNOTAVAIL`: this computer does not have the address, or has no port left.
    public static let addressNotAvailable = UVError(UV_EADDRNOTAVAIL)
    /// `UV_EAGAIN`: would block; from a connect, the listener's backlog is full.
    public static let wouldBlock = UVError(UV_EAGAIN)
    /// `UV_EBADF`: bad descriptor.
    public static let badDescriptor = UVError(UV_EBADF)
    /// `UV_EBUSY`: in use.
    public static let busy = UVError(UV_EBUSY)
    /// `UV_ECANCELED`: ended because its handle closed.
    public static let canceled = UVError(UV_ECANCELED)
    /// `ECHILD`: no such child, or other code has collected its exit status.
    public static let noChild = UVError(errno: ECHILD)
    /// `UV_ECONNREFUSED`: no listener has that address.
    public static let connectionRefused = UVError(UV_ECONNREFUSED)
    /// `UV_ECONNRESET`: the peer closed with our bytes unread.
    public static let connectionReset = UVError(UV_ECONNRESET)
    /// `UV_EEXIST`: the file exists.
    public static let exists = UVError(UV_EEXIST)
    /// `UV_EHOSTUNREACH`: no way leads to the host.
    public static let hostUnreachable = UVError(UV_EHOSTUNREACH)
    /// `UV_EISCONN`: connected already.
    public static let alreadyConnected = UVError(UV_EISCONN)
    /// `UV_EINTR`: a signal came first.
    public static let interrupted = UVError(UV_EINTR)
    /// `UV_EINVAL`: invalid argument.
    public static let invalidArgument = UVError(UV_EINVAL)
    /// `UV_EIO`: the device failed; of a terminal, its window has closed.
    public static let ioError = UVError(UV_EIO)
    /// `UV_EISDIR`: is a directory.
    public static let isDirectory = UVError(UV_EISDIR)
    /// `UV_ELOOP`: a symbolic link where none may be, or too many of them.
    public static let symbolicLink = UVError(UV_ELOOP)
    /// `UV_EMFILE`: this process has no descriptors left.
    public static let tooManyOpenFiles = UVError(UV_EMFILE)
    /// `UV_EMLINK`: the file has as many names as it can have.
    public static let tooManyLinks = UVError(UV_EMLINK)
    /// `UV_ENAMETOOLONG`: the name is too long.
    public static let nameTooLong = UVError(UV_ENAMETOOLONG)
    /// `UV_ENETUNREACH`: no way leads to the network.
    public static let networkUnreachable = UVError(UV_ENETUNREACH)
    /// `UV_EMSGSIZE`: the message is too long to be sent as one.
    public static let messageTooLong = UVError(UV_EMSGSIZE)
    /// `UV_ENFILE`: the system has no descriptors left.
    public static let tooManyOpenFilesInSystem = UVError(UV_ENFILE)
    /// `UV_ENOBUFS`: no buffer space.
    public static let noBuffers = UVError(UV_ENOBUFS)
    /// `UV_ENODEV`: no such device, or no such network interface.
    public static let noDevice = UVError(UV_ENODEV)
    /// `UV_ENOENT`: no such file or directory.
    public static let noEntry = UVError(UV_ENOENT)
    /// `ENOLCK`: files cannot be locked there, or not now.
    public static let noLocks = UVError(errno: ENOLCK)
    /// `UV_ENOMEM`: out of memory.
    public static let outOfMemory = UVError(UV_ENOMEM)
    /// `UV_ENOSPC`: no space left on the device.
    public static let noSpace = UVError(UV_ENOSPC)
    /// `UV_ENOTCONN`: not connected.
    public static let notConnected = UVError(UV_ENOTCONN)
    /// `UV_ENOTDIR`: not a directory.
    public static let notDirectory = UVError(UV_ENOTDIR)
    /// `UV_ENOTEMPTY`: the directory is not empty.
    public static let notEmpty = UVError(UV_ENOTEMPTY)
    /// `UV_ENOTSOCK`: not a socket.
    public static let notSocket = UVError(UV_ENOTSOCK)
    /// `UV_ENOTSUP`: not supported here.
    public static let notSupported = UVError(UV_ENOTSUP)
    /// `UV_ENOSYS`: this system does not have the call.
    public static let notImplemented = UVError(UV_ENOSYS)
    /// `ENOTTY`: not a terminal.
    public static let notTerminal = UVError(errno: ENOTTY)
    /// `UV_EPERM`: not permitted.
    public static let notPermitted = UVError(UV_EPERM)
    /// `UV_EPIPE`: nobody reads the other end any more.
    public static let brokenPipe = UVError(UV_EPIPE)
    /// `UV_EROFS`: the file system is read-only.
    public static let readOnly = UVError(UV_EROFS)
    /// `UV_ESRCH`: no such process.
    public static let noProcess = UVError(UV_ESRCH)
    /// `UV_ETIMEDOUT`: a deadline passed.
    public static let timedOut = UVError(UV_ETIMEDOUT)
    /// `UV_E2BIG`: arguments and environment are too long.
    public static let argumentsTooLong = UVError(UV_E2BIG)

    /// `ENOEXEC`: the file is no executable the system knows. libuv names it only from 1.50 on.
    static let notExecutable = UVError(errno: ENOEXEC)

    /// `UV_ETXTBSY`: the executable is open for writing.
    static let textFileBusy = UVError(UV_ETXTBSY)
    /// The file would be larger than the process may make it, or than the file system can hold.
    package static let fileTooLarge = UVError(UV_EFBIG)

    private init(_ code: uv_errno_t) {
        self.init(rawValue: code.rawValue)
    }

    /// The error for a POSIX `errno`, which is positive.
    init(errno: CInt) {
        self.init(rawValue: uv_translate_sys_error(errno))
    }
}

extension UVError {
    /// True if descriptors or memory have run out, here or in the system; the operation may succeed later.
    package var isShortage: Bool { [.tooManyOpenFiles, .tooManyOpenFilesInSystem, .outOfMemory].contains(self) }

    /// True if the disk, or the user's share of it, is full; removing files would help.
    package var isDiskFull: Bool { [.noSpace, UVError(errno: EDQUOT)].contains(self) }
}

extension UVError: CustomStringConvertible {
    /// The symbol, for instance `ENOENT`. Mirrors `uv_err_name_r`, which unlike `uv_err_name` never leaks.
    public var name: String {
        text { uv_err_name_r(rawValue, $0, $1) }
    }

    /// Symbol and sentence, for instance `ENOENT: no such file or directory`. Mirrors `uv_strerror_r`.
    public var description: String {
        "\(name): \(text { uv_strerror_r(rawValue, $0, $1) })"
    }

    private func text(_ fill: (UnsafeMutablePointer<CChar>, Int) -> UnsafeMutablePointer<CChar>?) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            buffer.initialize(repeating: 0)
            _ = fill(buffer.baseAddress!, buffer.count)
            return String(cString: buffer.baseAddress!)
        }
    }
}
