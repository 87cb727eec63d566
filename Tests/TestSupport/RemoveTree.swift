import UVLoop

/// Removes a file, or a directory with everything in it; symbolic links are removed, not followed. What is already gone is
/// no fault: keepers that end remove their own files meanwhile.
public func removeTree(_ path: String) {
    do throws(UVError) {
        guard try Files.status(of: path, followingLinks: false).kind == .directory else {
            return try Files.unlinkIfPresent(path)
        }
        for name in try Files.names(inDirectory: path) { removeTree("\(path)/\(name)") }
        try Files.removeDirectory(path)
    } catch .noEntry {
    } catch {
        preconditionFailure("cannot remove \(path): \(error)")
    }
}
