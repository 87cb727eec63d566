/// The reason why a child could not be started; no process is left behind.
public enum SpawnError: Error, Hashable, Sendable, CustomStringConvertible {
    /// No executable has that name; for a name without a slash, in no directory of PATH.
    case executableNotFound(String)
    /// The working directory is missing, is no directory, or may not be entered.
    case workingDirectory(String, UVError)
    /// The file exists but cannot be executed: permission, format, or the interpreter named in its first line.
    case executable(String, UVError)
    /// An argument, an environment entry or the path has a zero byte in it, or the executable's name is empty.
    case invalidArgument
    /// The system has no descriptors, processes or memory left.
    case resources(UVError)

    /// The problem and its remedy in words.
    public var description: String {
        switch self {
        case .executableNotFound(let name):
            name.utf8.contains(UInt8(ascii: "/"))
                ? "there is no file \(name); check the path, or install it"
                : "\(name) is in no directory of PATH; install it, or give its full path"
        case .workingDirectory(let path, let error):
            "cannot start in the working directory \(path): \(error)"
        case .executable(let path, .argumentsTooLong):
            "cannot execute \(path): E2BIG: its arguments and environment are longer than the system takes: one of them, or "
                + "all of them together"
        case .executable(let path, .notExecutable):
            "cannot execute \(path): ENOEXEC: it is no program for this machine; check what it was built for"
        case .executable(let path, .isDirectory): "cannot execute \(path): it is a directory; name the program in it"
        case .executable(let path, let error):
            "cannot execute \(path): \(error); check its permissions and the interpreter in its first line"
        case .invalidArgument:
            "the executable's name is empty, or a zero byte is in it, in an argument or in the environment"
        case .resources(let error):
            "the system cannot start another process now: \(error)"
        }
    }

    /// The system's error behind this one.
    public var systemError: UVError {
        switch self {
        case .executableNotFound: .noEntry
        case .workingDirectory(_, let error), .executable(_, let error), .resources(let error): error
        case .invalidArgument: .invalidArgument
        }
    }

    /// Finds the cause of an error that `uv_spawn` and `posix_spawn` report alike for the working directory and for the
    /// executable (H45), by looking at both.
    init(_ error: UVError, starting configuration: ChildProcess.Configuration) {
        let executable = configuration.executable
        let workingDirectory = configuration.workingDirectory
        switch error {
        case .noEntry, .notDirectory, .accessDenied, .symbolicLink, .nameTooLong, .notPermitted:
            if let workingDirectory {
                do throws(UVError) {
                    // The trailing dot also checks the permission to enter the directory.
                    guard try Files.status(of: workingDirectory).kind == .directory else { throw .notDirectory }
                    _ = try Files.status(of: workingDirectory + "/.")
                } catch {
                    self = .workingDirectory(workingDirectory, error)
                    return
                }
            }
            // A name without a slash is looked up in PATH, whatever the working directory holds.
            let path = (configuration.environment ?? .current)["PATH"]
            guard let file = ExecutableSearch.find(executable, path: path, in: workingDirectory) else {
                self = .executableNotFound(executable)
                return
            }
            do throws(UVError) {
                let status = try Files.status(of: ExecutableSearch.resolve(file, in: workingDirectory))
                self = .executable(executable, status.kind == .directory ? .isDirectory : error)
            } catch {
                let isThere = error != .noEntry && error != .notDirectory
                self = isThere ? .executable(executable, error) : .executableNotFound(executable)
            }
        case .invalidArgument: self = .invalidArgument
        case .argumentsTooLong, .isDirectory, .notExecutable, .textFileBusy: self = .executable(executable, error)
        default: self = .resources(error)
        }
    }
}
