public import UVLoop

/// A child process that has ended, and what it has written.
public struct ProcessResult: Hashable, Sendable {
    /// How it ended.
    public let exit: ProcessExit
    /// What it has written to stdout.
    public let output: [UInt8]
    /// What it has written to stderr.
    public let errors: [UInt8]

    /// The output as text; what is no UTF-8 is replaced.
    public var text: String { String(decoding: output, as: UTF8.self) }

    /// True if it ended with code 0.
    public var hasSucceeded: Bool { exit == .exited(code: 0) }
}
