public import UVLoop

/// The reason why a child process did not run to its end.
public enum RunError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The child could not be started and does not exist.
    case spawn(SpawnError)
    /// A stream of the child gave more than this limit, in bytes; the child was killed.
    case tooMuchOutput(limit: Int)
    /// A stream of the child failed.
    case stream(UVError)
    /// The task was canceled, or the loop has ended; the child was killed.
    case canceled

    /// The failure, and the remedy.
    public var description: String {
        switch self {
        case .spawn(let error): "\(error)"
        case .tooMuchOutput(let limit):
            "the process has written more than \(limit) bytes and was killed; raise the limit, or read its output as it comes"
        case .stream(let error): "a stream of the process failed: \(error)"
        case .canceled: "canceled"
        }
    }
}
