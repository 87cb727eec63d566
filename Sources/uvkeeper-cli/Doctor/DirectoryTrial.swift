import KeeperProtocol
import UVKeeper

/// A trial of all operations that a session does in its directory, done once under temporary names, with the findings.
///
/// The names have shapes that a discovery removes, in case this process is killed before it can.
struct DirectoryTrial {
    private let paths: KeeperPaths
    private let loop: Loop
    private let file: String
    /// The paths of as many other files as a session has at most: the child's pid file, two logs, the record, the next
    /// one, the file with room for the last one, the second socket, and one that is being replaced.
    private let others: [String]
    private let renamed: String
    private let socket: String

    /// The contents of each file; a pid file and a log line need less.
    private static let contents = [UInt8](repeating: 0x20, count: 4096)

    init(_ paths: KeeperPaths, _ loop: Loop) {
        self.paths = paths
        self.loop = loop
        func random() -> UInt64 { .random(in: .min ... .max) }
        file = paths.temporaryFile(for: paths.directory + "/doctor", random: random())
        others = (0..<8).map { _ in paths.temporaryFile(for: paths.directory + "/doctor", random: random()) }
        renamed = paths.temporaryFile(for: paths.directory + "/doctor", random: random())
        socket = paths.temporarySocketName(random: random())
    }

    func findings() -> [Doctor.Finding] {
        let directory = directory()
        guard directory.state != .failed else { return [directory] }
        defer { for path in [file, renamed, socket] + others { remove(path) } }
        return [directory] + files() + [sockets()]
    }

    private func directory() -> Doctor.Finding {
        let path = paths.directory
        guard RawText.byteCount(of: socket) <= KeeperPaths.maximumSocketPathLength else {
            return Doctor.Finding("directory", .failed, "\(path) is too long for a socket in it; not made")
        }
        do throws(UVError) {
            if let exposure = try PrivateDirectory(making: path).exposure {
                return Doctor.Finding("directory", .failed, SessionsDirectory.notPrivate(path, "\(exposure)"))
            }
            let status = try Files.status(of: path)
            guard status.permissions & 0o077 == 0 else {
                let mode = String(status.permissions, radix: 8)
                return Doctor.Finding(
                    "directory", .warning, "\(path) has mode \(mode): others can look into it; chmod 700 it")
            }
            return Doctor.Finding("directory", .ok, path)
        } catch {
            return Doctor.Finding("directory", .failed, "\(path): \(error.description(at: path))\(advice(error))")
        }
    }

    /// Writes, locks and renames a file, as is done with a pid file, beside as many others as a session has.
    private func files() -> [Doctor.Finding] {
        let opened: OpenFile
        do throws(UVError) {
            opened = try OpenFile(file, .createNew)
            try opened.write(DirectoryTrial.contents)
            for (number, path) in others.enumerated() {
                let other = try OpenFile(path, .createNew)
                defer { other.close() }
                // The launch log stays empty.
                if number > 0 { try other.write(DirectoryTrial.contents) }
                if number > 1 { keepIdentity(with: other) }
            }
        } catch {
            let cause = error.description(at: paths.directory)
            return [Doctor.Finding("files", .failed, "cannot write to the directory: \(cause)\(advice(error))")]
        }
        defer { opened.close() }
        return [
            Doctor.Finding("files", .ok, "can be made and written to"),
            finding("locks", "can be taken", "keepers need a file system that locks files") { () throws(UVError) in
                guard try opened.lockForProcess() else { throw .busy }
            },
            finding("names", "can be given without replacing a file", DirectoryTrial.needsNames) {
                () throws(UVError) in
                try Files.rename(file, toNew: renamed)
                try Files.unlink(renamed)
            },
        ]
    }

    /// Stores an identity with a file, since its room counts as well. A file system without attributes will still do
    /// for sessions.
    private func keepIdentity(with file: OpenFile) {
        guard let identity = ProcessIdentity(of: CurrentProcess.id) else { return }
        do throws(UVError) { try ChildIdentity.keep(identity, with: file) } catch {
            // A keeper goes on without the identity.
        }
    }

    private static let needsNames = "keepers need a file system with RENAME_NOREPLACE (renameat2) or hard links"

    /// Binds, renames and listens on a socket, and connects to it.
    private func sockets() -> Doctor.Finding {
        finding(
            "sockets", "can be bound and connected to",
            "keepers need a file system with unix sockets that can be renamed"
        ) {
            () throws(UVError) in
            let listener = try PipeListener(bindingTo: socket, on: loop)
            defer { listener.close() }
            try listener.listen { _, _ in }
            try Files.rename(socket, toNew: renamed)
            switch SocketProbe(renamed) {
            case .accepting: break
            case .refused, .missing: throw .connectionRefused
            case .failed(let error): throw error
            }
        }
    }

    private func finding(
        _ check: String, _ found: String, _ needed: String, _ trial: () throws(UVError) -> Void,
    ) -> Doctor.Finding {
        do throws(UVError) {
            try trial()
            return Doctor.Finding(check, .ok, found)
        } catch {
            let isShortOfSpace = error == .noSpace || error == .nameTooLong
            return Doctor.Finding(
                check, .failed,
                "\(error.description(at: paths.directory))\(advice(error))"
                    + (isShortOfSpace ? "" : "; \(needed): name another directory"))
        }
    }

    private func advice(_ error: UVError) -> String {
        switch error {
        case .noSpace: "; the disk is full, or has no inodes left: make room on it"
        case .readOnly: "; name a directory on a file system that can be written to"
        case .notDirectory: "; it is no directory, or something on the way to it is none"
        case .nameTooLong: "; name a directory with a shorter path"
        default: ""
        }
    }

    private func remove(_ path: String) {
        do throws(UVError) {
            try Files.unlinkIfPresent(path)
        } catch {
            Output.error("cannot remove \(path): \(error)")
        }
    }
}
