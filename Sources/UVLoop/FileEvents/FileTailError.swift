/// The reason why a file cannot be followed.
public struct FileTailError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file's path.
    public let path: String
    /// The system's error behind this one. ``UVError/isDirectory`` for a directory; ``UVError/invalidArgument`` for a
    /// named pipe, a socket or a device, which have no end; ``UVError/notSupported`` for a file of `/proc` or `/sys`,
    /// which has no size.
    public let systemError: UVError

    /// Creates the failure of a path, with the system's error behind it.
    public init(path: String, systemError: UVError) {
        self.path = path
        self.systemError = systemError
    }

    /// The reason in words, without the path.
    public var reason: String {
        switch systemError {
        case .isDirectory: "it is a directory"
        case .invalidArgument where path.utf8.contains(0): "its path has a zero byte in it"
        case .invalidArgument: "it is a named pipe, a socket or a device, and no file that bytes are kept in"
        case .notSupported: "its bytes are made as they are read, and not kept"
        default: systemError.description(at: path)
        }
    }

    /// The path and the reason in words.
    public var description: String { "cannot follow \(path): \(reason)" }
}
