internal import UVLoop

/// A path that means the same in every working directory; a keeper's working directory differs from its server's.
enum AbsolutePath {
    /// `path` seen from this program's working directory.
    static func of(_ path: String) throws(UVError) -> String {
        // Bytes are compared: a slash with a combining accent is no slash as a Character, but one to the system.
        guard path.utf8.first != UInt8(ascii: "/") else { return path }
        let here = try CurrentProcess.workingDirectory()
        return here == "/" ? "/\(path)" : "\(here)/\(path)"
    }
}
