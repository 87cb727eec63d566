public import UVLoop

/// Why a child process did not run to its end.
public enum RunError: Error, Hashable, Sendable, CustomStringConvertible {
    /// It could not be started; nothing of it exists.
    case spawn(SpawnError)
    /// One of its streams gave more than was to be kept, so many bytes; it was killed.
    case tooMuchOutput(limit: Int)
    /// A stream of it failed.
    case stream(UVError)
    /// The task was canceled, or the loop has ended; the child was killed.
    case canceled

    /// What happened and what to do.
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
