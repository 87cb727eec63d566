/// Finds the file of a command, as `execvp` does.
public enum ExecutableSearch {
    /// The file that `name` stands for: itself if it has a slash, else the first executable of that name in the
    /// directories of `path`.
    ///
    /// - Parameters:
    ///   - name: the program's; one with a slash is a path and is not looked for.
    ///   - path: the value of PATH; nil: what the system falls back to.
    ///   - workingDirectory: what relative directories and names are relative to, if not this process's own.
    /// - Returns: nil if there is none. A name with a slash is returned whether it exists or not.
    public static func find(_ name: String, path: String?, in workingDirectory: String? = nil) -> String? {
        guard !name.isEmpty else { return nil }
        // By bytes: a slash followed by a combining accent is no slash to Character, and one to the system.
        if name.utf8.contains(UInt8(ascii: "/")) { return name }
        let directories = (path ?? "/usr/local/bin:/usr/bin:/bin").utf8
        for directory in directories.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false) {
            let candidate = directory.isEmpty ? "./\(name)" : "\(Substring(directory))/\(name)"
            if Files.isExecutable(resolve(candidate, in: workingDirectory)) { return candidate }
        }
        return nil
    }

    /// A relative path seen from `workingDirectory`.
    static func resolve(_ path: String, in workingDirectory: String?) -> String {
        guard let workingDirectory, path.utf8.first != UInt8(ascii: "/") else { return path }
        return "\(workingDirectory)/\(path)"
    }
}
