/// Finds the file of a command, as `execvp` does.
public enum ExecutableSearch {
    /// Finds the file that `name` means: `name` itself if it contains a slash, else the first executable of that name
    /// in the directories of `path`.
    ///
    /// - Parameters:
    ///   - name: the program's; one with a slash is a path and is not looked for.
    ///   - path: the value of PATH; nil: the system's default.
    ///   - workingDirectory: the base of relative directories and names; nil: this process's own.
    /// - Returns: nil if there is none. A name with a slash is returned even if no such file exists.
    public static func find(_ name: String, path: String?, in workingDirectory: String? = nil) -> String? {
        guard !name.isEmpty else { return nil }
        // Compared by bytes: a slash before a combining accent is no slash to Character, but is one to the system.
        if name.utf8.contains(UInt8(ascii: "/")) { return name }
        let directories = (path ?? "/usr/local/bin:/usr/bin:/bin").utf8
        for directory in directories.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false) {
            let candidate = directory.isEmpty ? "./\(name)" : "\(Substring(directory))/\(name)"
            if Files.isExecutable(resolve(candidate, in: workingDirectory)) { return candidate }
        }
        return nil
    }

    /// The path, a relative one resolved against `workingDirectory`.
    static func resolve(_ path: String, in workingDirectory: String?) -> String {
        guard let workingDirectory, path.utf8.first != UInt8(ascii: "/") else { return path }
        return "\(workingDirectory)/\(path)"
    }
}
