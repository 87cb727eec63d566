/// A process that did not end although SIGKILL was sent to it: another user's, as a set-user-id program's is, or one that
/// waits for a device.
public struct ProcessSurvivor: Hashable, Sendable {
    /// Its id.
    public let pid: Int32
    /// The name of its program; nil if the system does not tell.
    public let name: String?
}

extension ProcessSurvivor: CustomStringConvertible {
    /// For instance `7170 (sudo)`.
    public var description: String { name.map { "\(pid) (\($0))" } ?? "\(pid)" }
}
