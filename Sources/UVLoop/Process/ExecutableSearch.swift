/// Finds the file of a command, as `execvp` does.
public enum ExecutableSearch {
    /// The file that `name` stands for: itself if it has a slash, else the first executable of that name in the
    /// directories of `path`.
    ///
    /// - Parameters:
    ///   - path: the value of PATH; nil: what the system falls back to.
    ///   - workingDirectory: what relative directories and names are relative to, if not this process's own.
    /// - Returns: nil if there is none. A name with a slash is returned whether it exists or not.
    public static func find(_ name: String, path: String?, in workingDirectory: String? = nil) -> String? {
        guard !name.isEmpty else { return nil }
        if name.contains("/") { return name }
        for directory in (path ?? "/usr/local/bin:/usr/bin:/bin").split(
            separator: ":", omittingEmptySubsequences: false)
        {
            let candidate = directory.isEmpty ? "./\(name)" : "\(directory)/\(name)"
            if Files.isExecutable(resolve(candidate, in: workingDirectory)) { return candidate }
        }
        return nil
    }

    /// A relative path seen from `workingDirectory`.
    static func resolve(_ path: String, in workingDirectory: String?) -> String {
        guard let workingDirectory, !path.hasPrefix("/") else { return path }
        return "\(workingDirectory)/\(path)"
    }
}
