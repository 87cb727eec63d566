public import UVLoop

/// The result of a child process that has ended: its exit and its output.
public struct ProcessResult: Hashable, Sendable {
    /// The exit of the process.
    public let exit: ProcessExit
    /// The bytes written to stdout.
    public let output: [UInt8]
    /// The bytes written to stderr.
    public let errors: [UInt8]

    /// The output as text; invalid UTF-8 is replaced.
    public var text: String { String(decoding: output, as: UTF8.self) }

    /// True if the process ended with code 0.
    public var hasSucceeded: Bool { exit == .exited(code: 0) }
}
