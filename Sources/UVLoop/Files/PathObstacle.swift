internal import CLibUV

/// The component of a path that keeps this process from using it, in words for an error: the system says "permission denied"
/// of the whole path, and not where.
public struct PathObstacle: Hashable, Sendable, CustomStringConvertible {
    /// The component's path.
    public let path: String
    /// The file that has that name.
    public let status: FileStatus

    /// Looks for it, component by component, as things are now; nil if nothing on the way is in the way for want of
    /// permission: the file system is read-only then, or the obstacle is gone.
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
                // The obstacle may be behind a link, which leads to where nothing is, or nothing can be looked at.
                if linksLeft > 0, let target = Files.linkTarget(component) {
                    let isAbsolute = target.utf8.first == UInt8(ascii: "/")
                    let place = isAbsolute ? target : "\(Files.parent(of: component) ?? ".")/\(target)"
                    let rest = Substring(path.utf8.dropFirst(component.utf8.count))
                    return find("\(place)\(rest)", linksLeft: linksLeft - 1)
                }
                guard error == .noEntry, let known, !isAllowed(known.path, W_OK | X_OK) else { return nil }
                // The missing part would have to be made there.
                return known
            }
            if status.kind == .directory, !isAllowed(component, X_OK) { return (component, status) }
            known = (component, status)
        }
        // All of it is there, and the last component is what may not be read or written to.
        guard let known else { return nil }
        let wanted = known.status.kind == .directory ? R_OK | W_OK | X_OK : R_OK | W_OK
        return isAllowed(known.path, wanted) ? nil : known
    }

    /// For instance `/home/me/.pi belongs to root and has mode 700`.
    public var description: String {
        let mode = String(status.permissions, radix: 8)
        guard status.owner != CurrentProcess.userID else { return "\(path) has mode \(mode)" }
        return "\(path) belongs to \(status.owner == 0 ? "root" : "user \(status.owner)") and has mode \(mode)"
    }

    /// `/`, `/a`, `/a/b` for `/a/b`.
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
    /// The description, and for ``accessDenied`` and ``notPermitted`` what on the way to `path` is in the way.
    public func description(at path: String) -> String {
        guard self == .accessDenied || self == .notPermitted, let obstacle = PathObstacle(path) else {
            return description
        }
        return "\(description): \(obstacle)"
    }
}
