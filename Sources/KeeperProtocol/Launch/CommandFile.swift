/// A command as the bytes of a file: its strings one after the other, each ended by a zero byte, as in
/// `/proc/<pid>/cmdline`.
///
/// This form is for commands that an environment variable cannot carry: a variable holds 128 KiB at most, and JSON
/// holds no bytes that are not UTF-8.
package enum CommandFile {
    /// The value of ``KeeperVariable/commandFile`` that stands for the keeper's standard input.
    package static let standardInput = "-"
    /// The most bytes that a command can have; no system takes more.
    package static let maximumLength = 64 << 20

    /// The bytes of a command, whose strings must not contain zero bytes.
    package static func encode(_ command: [[UInt8]]) -> [UInt8] {
        command.reduce(into: []) { bytes, string in
            bytes += string
            bytes.append(0)
        }
    }

    /// The command in the bytes; nil if the last string is not ended by a zero byte, or the executable's name is
    /// missing or empty.
    package static func decode(_ bytes: [UInt8]) -> [[UInt8]]? {
        guard bytes.last == 0 else { return nil }
        let command = bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false).map { Array($0) }
        return command[0].isEmpty ? nil : command
    }
}
