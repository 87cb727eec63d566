/// A process that did not end after SIGKILL: it is another user's, such as a set-user-id program's, or waits for a
/// device.
public struct ProcessSurvivor: Hashable, Sendable {
    /// The process id.
    public let pid: Int32
    /// The name of its program; nil if the system does not tell.
    public let name: String?
}

extension ProcessSurvivor: CustomStringConvertible {
    /// The process in words, for instance `7170 (sudo)`.
    public var description: String { name.map { "\(pid) (\($0))" } ?? "\(pid)" }
}
