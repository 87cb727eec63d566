import Testing
import UVLoop

/// Removes a file, or a directory with everything in it; symbolic links are removed, not followed. Files that have
/// already gone are no fault, since ending keepers remove their own files meanwhile. Files that are added meanwhile are
/// none either, for a while.
public func removeTree(_ path: String) {
    let deadline = SystemClock.monotonicTime + .seconds(10)
    while true {
        do throws(UVError) {
            guard try Files.status(of: path, followingLinks: false).kind == .directory else {
                return try Files.unlinkIfPresent(path)
            }
            for name in try Files.names(inDirectory: path) { removeTree("\(path)/\(name)") }
            return try Files.removeDirectory(path)
        } catch .noEntry {
            return
        } catch .notEmpty where SystemClock.monotonicTime < deadline {
            continue
        } catch {
            Issue.record("cannot remove \(path): \(error)")
            return
        }
    }
}
