package import UVLoop

/// The opening of a log, by a keeper and by the server that starts it.
package enum LogFile {
    /// Opens a log for appending, and makes it if it is missing.
    ///
    /// A log left by another user's session in a directory of ours (root's, after a `sudo`) is renamed to its name with
    /// the owner's number added, so that the name can be used again.
    ///
    /// - Throws: the errors of ``OpenFile``; ``UVError/notPermitted`` for a file of a user who is not trusted, and who
    ///   could read the log.
    package static func open(_ path: String) throws(UVError) -> OpenFile {
        let file: OpenFile
        do throws(UVError) {
            file = try OpenFile(path, .append)
        } catch {
            guard error == .accessDenied else { throw error }
            let status = try Files.status(of: path, followingLinks: false)
            guard status.kind == .regular, status.owner != CurrentProcess.userID else { throw error }
            try Files.rename(path, to: "\(path).\(status.owner)")
            file = try OpenFile(path, .append)
        }
        guard OwnerTrust.trusts(file.statusAtOpening.owner) else { throw .notPermitted }
        return file
    }
}
