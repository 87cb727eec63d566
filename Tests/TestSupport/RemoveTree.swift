import Testing
import UVLoop

/// Removes a file, or a directory with everything in it; symbolic links are removed, not followed. What is already gone is
/// no fault: keepers that end remove their own files meanwhile. Nor is, for a while, what is added meanwhile.
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
