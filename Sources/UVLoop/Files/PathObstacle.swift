internal import CLibUV

/// The component of a path that keeps this process from using it, in words for an error: the system reports "permission
/// denied" for the path as a whole.
public struct PathObstacle: Hashable, Sendable, CustomStringConvertible {
    /// The component's path.
    public let path: String
    /// The status of the file with that path.
    public let status: FileStatus

    /// Looks for the obstacle, component by component, as the files are now. Nil if permissions do not explain the
    /// failure: the file system is read-only, or the obstacle is gone.
    public init?(_ path: String) {
        guard let (path, status) = PathObstacle.find(path, linksLeft: 8) else { return nil }
        self.path = path
        self.status = status
    }

    private static func find(_ path: String, linksLeft: Int) -> (path: String, status: FileStatus)? {
        var known: (path: String, status: FileStatus)?
        for component in prefixes(of: path) {
            let status: FileStatus
            do throws(UVError) {
                status = try Files.status(of: component)
            } catch {
                // The component may be a link: the obstacle is then behind it, where the target is missing or cannot be
                // looked at.
                if linksLeft > 0, let target = Files.linkTarget(component) {
                    let isAbsolute = target.utf8.first == UInt8(ascii: "/")
                    let place = isAbsolute ? target : "\(Files.parent(of: component) ?? ".")/\(target)"
                    let rest = Substring(path.utf8.dropFirst(component.utf8.count))
                    return find("\(place)\(rest)", linksLeft: linksLeft - 1)
                }
                guard error == .noEntry, let known, !isAllowed(known.path, W_OK | X_OK) else { return nil }
                // The missing component would have to be made in this directory.
                return known
            }
            if status.kind == .directory, !isAllowed(component, X_OK) { return (component, status) }
            known = (component, status)
        }
        // All components exist, so the last one may be what cannot be read or written.
        guard let known else { return nil }
        let wanted = known.status.kind == .directory ? R_OK | W_OK | X_OK : R_OK | W_OK
        return isAllowed(known.path, wanted) ? nil : known
    }

    /// The obstacle in words, for instance `/home/me/.pi belongs to root and has mode 700`.
    public var description: String {
        let mode = String(status.permissions, radix: 8)
        guard status.owner != CurrentProcess.userID else { return "\(path) has mode \(mode)" }
        return "\(path) belongs to \(status.owner == 0 ? "root" : "user \(status.owner)") and has mode \(mode)"
    }

    /// Returns the path and all its parents: `/`, `/a`, `/a/b` for `/a/b`.
    private static func prefixes(of path: String) -> [String] {
        let slash = UInt8(ascii: "/")
        let bytes = Array(path.utf8)
        var prefixes = bytes.first == slash ? ["/"] : ["."]
        for end in bytes.indices.map({ $0 + 1 }) where bytes[end - 1] != slash {
            guard end == bytes.count || bytes[end] == slash else { continue }
            prefixes.append(String(decoding: bytes[..<end], as: UTF8.self))
        }
        return prefixes
    }

    private static func isAllowed(_ path: String, _ mode: CInt) -> Bool {
        do throws(UVError) {
            return try RawText.withCString(path) { access($0, mode) } == 0
        } catch {
            return true
        }
    }
}

extension UVError {
    /// The description; for ``accessDenied`` and ``notPermitted`` also the obstacle on the way to `path`.
    public func description(at path: String) -> String {
        guard self == .accessDenied || self == .notPermitted, let obstacle = PathObstacle(path) else {
            return description
        }
        return "\(description): \(obstacle)"
    }
}
