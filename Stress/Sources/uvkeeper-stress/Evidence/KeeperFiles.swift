import UVKeeper

/// The files that a session's keeper has on disk, as its contract promises.
enum KeeperFiles {
    /// Returns the files that a live keeper lacks: each that is gone, or has another's number. Empty if all are in
    /// place.
    static func lost(of session: SessionID, keeper: Int32, child: Int32, in paths: KeeperPaths) -> [String] {
        var lost: [String] = []
        for path in [paths.socket(for: session), paths.channel(for: session)] {
            switch SocketProbe(path) {
            case .accepting(let pid) where pid == nil || pid == keeper: break
            case let found: lost.append("\(path): \(found)")
            }
        }
        for (path, pid) in [(paths.keeperPID(for: session), keeper), (paths.childPID(for: session), child)] {
            do throws(UVError) {
                let text = String(decoding: try Files.read(path, limit: 64), as: UTF8.self)
                if Int32(text) != pid { lost.append("\(path): '\(text)' instead of \(pid)") }
            } catch {
                lost.append("\(path): \(error)")
            }
        }
        return lost
    }

    /// Returns the files that an ended keeper has left; needs no descriptor.
    static func left(of session: SessionID, in paths: KeeperPaths) -> [String] {
        [
            paths.socket(for: session), paths.channel(for: session), paths.keeperPID(for: session),
            paths.childPID(for: session),
        ].filter {
            do throws(UVError) {
                _ = try Files.status(of: $0, followingLinks: false)
                return true
            } catch {
                return false
            }
        }
    }
}
