internal import CLibUV

/// The reason why a file cannot be watched.
public enum FileWatchError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file or directory is missing, or may not be read: a watch needs that permission.
    case file(String, UVError)
    /// A limit of the user's is reached, which root raises by this setting (`sysctl`); `value` is the limit, if it can
    /// be read.
    case limit(setting: String, value: Int?, UVError)
    /// This process or the system has no descriptors or memory left, or the loop has closed the watcher
    /// (``UVError/canceled``).
    case resources(UVError)

    /// The problem and its remedy in words.
    public var description: String {
        switch self {
        case .file(let path, let error): "cannot watch \(path): \(error.description(at: path))"
        case .limit(let setting, let value, let error):
            "cannot watch more files: \(error.name): this user's limit \(setting) is reached"
                + (value.map { ", which is \($0)" } ?? "") + "; root raises it with sysctl"
        case .resources(let error): "cannot watch files now: \(error)"
        }
    }

    /// The system's error behind this one. For a limit, ``UVError/noSpace`` and ``UVError/tooManyOpenFiles`` concern
    /// neither disks nor descriptors, although their sentences say so (H86).
    public var systemError: UVError {
        switch self {
        case .file(_, let error), .limit(_, _, let error), .resources(let error): error
        }
    }
}

#if os(Linux)
extension FileWatchError {
    /// Creates the error of a failed `inotify_init1`: EMFILE is the user's limit of queues, or this process's of
    /// descriptors.
    init(openingQueue error: UVError) {
        guard error == .tooManyOpenFiles, FileWatchError.hasDescriptor else {
            self = .resources(error)
            return
        }
        self = FileWatchError.limit("fs.inotify.max_user_instances", error)
    }

    /// Creates the error of a failed `epoll_ctl` for the queue.
    init(polling error: UVError) {
        self = error == .noSpace ? FileWatchError.limit("fs.epoll.max_user_watches", error) : .resources(error)
    }

    /// Creates the error of a failed `inotify_add_watch`.
    init(watching path: String, _ error: UVError) {
        self =
            switch error {
            case .noSpace: FileWatchError.limit("fs.inotify.max_user_watches", error)
            case .outOfMemory: .resources(error)
            default: .file(path, error)
            }
    }

    private static func limit(_ setting: String, _ error: UVError) -> FileWatchError {
        let path = "/proc/sys/" + setting.split(separator: ".").joined(separator: "/")
        var value: Int?
        do throws(UVError) {
            value = Int(String(decoding: try Files.read(path, limit: 32).prefix { $0 != 0x0A }, as: UTF8.self))
        } catch {
            // The limit is left out of the sentence.
        }
        return .limit(setting: setting, value: value, error)
    }

    private static var hasDescriptor: Bool {
        let descriptor = uvloop_open_null()
        guard descriptor >= 0 else { return false }
        OwnedDescriptor(descriptor).close()
        return true
    }
}
#endif
