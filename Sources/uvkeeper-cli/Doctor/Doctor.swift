import KeeperProtocol
import UVKeeper

/// The checks of `uvkeeper doctor`; the trials of the directory and of the sidecar have files of their own.
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

        init(_ check: String, _ state: State, _ found: String) {
            self.check = check
            self.state = state
            self.found = found
        }
    }

    let manager: KeeperManager
    let loop: Loop
    let sessions: Result<[KeeperStatus], KeeperError>
    let sidecar: Finding
    /// The control group of this process, and the `KillMode` of its service; nil if unknown.
    let group: ControlGroup?
    let killMode: String?

    func findings() -> [Finding] {
        let directory = DirectoryTrial(manager.paths, loop).findings()
        return [libuv, sidecar] + directory + [pathLength, descriptors, processes, service] + limits + [keepers]
    }

    private var libuv: Finding {
        let isSame = LibUV.version == LibUV.headerVersion
        let built = isSame ? "" : ", built against \(LibUV.headerVersion)"
        return Finding("libuv", .ok, LibUV.version + built)
    }

    private var pathLength: Finding {
        let suffix = RawText.byteCount(of: manager.paths.directory) + 1 + KeeperPaths.socketEnd.utf8.count
        let left = KeeperPaths.maximumSocketPathLength - suffix
        let found = "session ids may have \(max(0, min(left, SessionID.maximumLength))) characters here"
        // A UUID has 36.
        return Finding("path length", left >= 36 ? .ok : left > 0 ? .warning : .failed, found)
    }

    private var descriptors: Finding {
        let limit = DescriptorLimit.current
        let fewest = KeeperConstants.fewestDescriptors
        return Finding(
            "descriptors", limit.soft < fewest ? .failed : limit.hard < 256 ? .warning : .ok,
            "limit \(limit.soft), can be raised to \(limit.hard); a keeper needs \(fewest)")
    }

    private var processes: Finding {
        ChildProcess.usesPidfd
            ? Finding("processes", .ok, "started by posix_spawn, watched through pidfds")
            : Finding(
                "processes", .warning, "started and watched by libuv: slower in a large server, and needs SIGCHLD")
    }

    private var keepers: Finding {
        switch sessions {
        case .failure(let error): return Finding("sessions", .failed, ErrorText.of(error))
        case .success(let keepers):
            let live = keepers.count { [.live, .starting].contains($0.state) }
            let others = keepers.count - live
            return Finding(
                "sessions", others == 0 ? .ok : .warning,
                "\(live) live" + (others == 0 ? "" : ", \(others) stale or without a child; see uvkeeper list"))
        }
    }
}
