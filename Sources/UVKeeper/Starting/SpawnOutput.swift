/// The destination of a child's output.
public enum SpawnOutput: Hashable, Sendable {
    /// The output is discarded.
    case discarded
    /// Both streams go to the keeper's log.
    case captured
    /// The last bytes of each stream, so many, are kept in files, at least 65,536, and can be read from any offset
    /// (``Session/read(_:from:follows:onBytes:onEvent:)``).
    case kept(bytes: Int)
}
