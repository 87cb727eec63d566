import KeeperProtocol
import UVKeeper

/// The checks of `uvkeeper doctor`.
struct Doctor {
    struct Finding: Encodable {
        enum State: String, Encodable {
            case ok
            case warning
            case failed
        }

        let check: String
        let state: State
        let found: String
    }

    let manager: KeeperManager
    let sessions: Result<[KeeperStatus], KeeperError>

    func findings() -> [Finding] {
        [libuv, sidecar, directory, hardLinks, pathLength, descriptors, processes, keepers]
    }

    private var libuv: Finding {
        let isSame = LibUV.version == LibUV.headerVersion
        let built = isSame ? "" : ", built against \(LibUV.headerVersion)"
        return Finding(check: "libuv", state: .ok, found: LibUV.version + built)
    }

    private var sidecar: Finding {
        do throws(KeeperError) {
            return Finding(
                check: "sidecar", state: .ok, found: try SidecarCommand.find().argv.joined(separator: " "))
        } catch {
            return Finding(check: "sidecar", state: .failed, found: "\(error)")
        }
    }

    private var directory: Finding {
        let path = manager.sessionsDirectory
        do throws(UVError) {
            try Files.makeDirectory(at: path)
            let status = try Files.status(of: path)
            guard status.kind == .directory else { throw .notDirectory }
            if let exposure = status.exposure {
                return Finding(
                    check: "directory", state: .failed, found: SessionsDirectory.notPrivate(path, exposure))
            }
            guard status.permissions & 0o077 == 0 else {
                let mode = String(status.permissions, radix: 8)
                return Finding(
                    check: "directory", state: .warning,
                    found: "\(path) has mode \(mode): others can look into it; chmod 700 it")
            }
            return Finding(check: "directory", state: .ok, found: path)
        } catch {
            return Finding(check: "directory", state: .failed, found: "\(path): \(error)")
        }
    }

    /// Keepers publish their files by linking them; also shows that the directory can be written to.
    private var hardLinks: Finding {
        let path = "\(manager.sessionsDirectory)/.doctor.\(Processes.currentID)"
        do throws(UVError) {
            try OpenFile(path, .createNew).close()
        } catch {
            return Finding(check: "hard links", state: .failed, found: "cannot write to the directory: \(error)")
        }
        defer { remove(path) }
        do throws(UVError) {
            try Files.link(path, to: path + ".link")
            remove(path + ".link")
            return Finding(check: "hard links", state: .ok, found: "the directory takes files and links")
        } catch {
            return Finding(
                check: "hard links", state: .failed, found: "\(error): keepers need a file system with hard links")
        }
    }

    private func remove(_ path: String) {
        do throws(UVError) {
            try Files.unlinkIfPresent(path)
        } catch {
            Output.error("cannot remove \(path): \(error)")
        }
    }

    private var pathLength: Finding {
        let suffix = manager.paths.directory.utf8.count + "/.rpc.sock".utf8.count
        let left = KeeperPaths.maximumSocketPathLength - suffix
        let found = "session ids may have \(max(0, min(left, SessionID.maximumLength))) characters here"
        // A UUID has 36.
        return Finding(check: "path length", state: left >= 36 ? .ok : left > 0 ? .warning : .failed, found: found)
    }

    private var descriptors: Finding {
        let limit = Descriptors.limit
        let fewest = KeeperConstants.fewestDescriptors
        return Finding(
            check: "descriptors", state: limit.soft < fewest ? .failed : limit.hard < 256 ? .warning : .ok,
            found: "limit \(limit.soft), can be raised to \(limit.hard); a keeper needs \(fewest)")
    }

    private var processes: Finding {
        ChildProcess.usesPidfd
            ? Finding(check: "processes", state: .ok, found: "started by posix_spawn, watched through pidfds")
            : Finding(
                check: "processes", state: .warning,
                found: "started and watched by libuv: slower in a large server, and needs SIGCHLD")
    }

    private var keepers: Finding {
        switch sessions {
        case .failure(let error): return Finding(check: "sessions", state: .failed, found: "\(error)")
        case .success(let keepers):
            let live = keepers.count { $0.state == .live }
            let others = keepers.count - live
            return Finding(
                check: "sessions", state: others == 0 ? .ok : .warning,
                found: "\(live) live" + (others == 0 ? "" : ", \(others) stale or without a child; see uvkeeper list"))
        }
    }
}
