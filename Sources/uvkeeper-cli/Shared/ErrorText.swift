import KeeperProtocol
import UVKeeper

/// An error of the library in words, with the cause that a look at the path shows.
enum ErrorText {
    static func of(_ error: any Error) -> String {
        switch error {
        case let error as KeeperError: text(error)
        case let error as SpawnError: text(error)
        default: "\(error)"
        }
    }

    private static func text(_ error: KeeperError) -> String {
        switch error {
        case .file(_, .exists): "\(error); it is no directory"
        case .file(let path, let cause): explained("\(error)", cause, path)
        case .connection(let path, let cause): explained("\(error)", cause, path)
        case .cannotStart(let cause): "cannot start the keeper: \(text(cause))"
        case .unusable(let cause): "cannot start the command: \(text(cause))"
        case .sidecarNotFound(let places) where places.count == 1:
            sidecar(places[0]) ?? "\(error)" + tilde(places[0])
        default: "\(error)"
        }
    }

    private static func text(_ error: SpawnError) -> String {
        switch error {
        case .workingDirectory(let path, .noEntry): "\(error)" + tilde(path)
        case .workingDirectory(let path, let cause): explained("\(error)", cause, path)
        case .executableNotFound(let name): "\(error)" + tilde(name)
        // A relative path is relative to the session's working directory.
        case .executable(let path, let cause) where path.utf8.first == UInt8(ascii: "/"):
            explained("\(error)", cause, path)
        default: "\(error)"
        }
    }

    private static func explained(_ text: String, _ cause: UVError, _ path: String) -> String {
        let known = cause.description(at: path)
        return known == cause.description ? text : text + String(known.dropFirst(cause.description.count))
    }

    /// The advice for a path that begins with `~`: a shell replaces it at the beginning of a word, but not within
    /// quotes.
    private static func tilde(_ path: String) -> String {
        SessionsDirectory.isUnexpanded(path) ? "; \(SessionsDirectory.unexpandedAdvice)" : ""
    }

    /// The problem with the file at the path of a named sidecar, in words.
    private static func sidecar(_ path: String) -> String? {
        do throws(UVError) {
            let status = try Files.status(of: path)
            if status.kind == .directory {
                return "the sidecar \(path) is a directory; set \(SidecarCommand.variable) to the program in it"
            }
            let mode = String(status.permissions, radix: 8)
            return "the sidecar \(path) cannot be executed: its mode is \(mode); chmod +x it, or set "
                + "\(SidecarCommand.variable) to another"
        } catch {
            return nil
        }
    }
}
