/// The shape of paths; see ``KeeperPaths``.
///
/// The platform is a value and not a compile-time switch so that both shapes are tested everywhere.
public enum KeeperPlatform: String, Sendable, Codable {
    /// Linux, macOS and the other Unix systems: `/`, and sockets that are files.
    case posix
    /// Windows: `\`, and named pipes that are not files.
    case windows

    /// The platform this program was built for.
    public static var current: KeeperPlatform {
        #if os(Windows)
        .windows
        #else
        .posix
        #endif
    }

    /// The separator between a directory and a name when this module joins them.
    var separator: String {
        switch self {
        case .posix: "/"
        case .windows: "\\"
        }
    }

    /// `directory` without separators at its end, except for a root's own: `/`, `C:\`.
    func removingTrailingSeparators(_ directory: String) -> String {
        var bytes = Substring(directory).utf8
        while let last = bytes.last, isSeparator(last) {
            let shorter = bytes.dropLast()
            let isDrive = self == .windows && shorter.count == 2 && shorter.last == UInt8(ascii: ":")
            if shorter.isEmpty || isDrive { break }
            bytes = shorter
        }
        return String(Substring(bytes))
    }

    /// The path of the name made of the parts, in `directory`; an empty directory is the current one.
    func join(_ directory: String, _ first: String, _ second: String = "", _ third: String = "") -> String {
        let isComplete = directory.utf8.last.map(isSeparator) ?? true
        let separator = isComplete ? "" : separator
        let length =
            directory.utf8.count + separator.utf8.count + first.utf8.count + second.utf8.count + third.utf8.count
        // A discovery makes thousands of paths, hence a single allocation and plain copies.
        return String(unsafeUninitializedCapacity: length) { bytes in
            var end = 0
            func append(_ part: String) {
                var part = part
                let rest = UnsafeMutableBufferPointer(rebasing: bytes[end...])
                end += part.withUTF8 { rest.update(fromContentsOf: $0) }
            }
            append(directory)
            append(separator)
            append(first)
            append(second)
            append(third)
            return end
        }
    }

    /// True if `path` means the same from every current directory: `/x`; on Windows `C:\x` and `\\server\share`.
    func isAbsolute(_ path: String) -> Bool {
        let start = Array(path.utf8.prefix(3))
        switch self {
        case .posix:
            return start.first == UInt8(ascii: "/")
        case .windows:
            if start.count >= 2, isSeparator(start[0]), isSeparator(start[1]) { return true }
            return start.count == 3 && start[1] == UInt8(ascii: ":") && isSeparator(start[2])
        }
    }

    private func isSeparator(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "/") || (self == .windows && byte == UInt8(ascii: "\\"))
    }
}
