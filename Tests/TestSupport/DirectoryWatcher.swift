internal import Synchronization
internal import UVLoop

/// Looks at every file of a sessions directory repeatedly, on a thread of its own.
public final class DirectoryWatcher {
    /// The observations of a watcher.
    public struct Findings: Sendable {
        /// The number of looks.
        public var rounds = 0
        /// The number of sightings of a socket under its final name.
        public var sockets = 0
        /// The number of sightings of a pid file, not counting temporary ones.
        public var pidFiles = 0
        /// The sightings that should not have been.
        public var complaints: Set<String> = []
    }

    private final class Shared: Sendable {
        let isStopped = Atomic(false)
        let findings = Mutex(Findings())
    }

    private let thread: LoopThread
    private let shared = Shared()

    /// Starts looking.
    public init(_ directory: String) throws {
        thread = try LoopThread(name: "watcher")
        thread.submit { [shared] _ in
            while !shared.isStopped.load(ordering: .relaxed) {
                shared.findings.withLock { DirectoryWatcher.look(at: directory, &$0) }
            }
        }
    }

    /// Stops looking.
    public func stop() -> Findings {
        shared.isStopped.store(true, ordering: .relaxed)
        thread.shutdown()
        return shared.findings.withLock { $0 }
    }

    private static func look(at directory: String, _ findings: inout Findings) {
        findings.rounds += 1
        // A file that has gone between the listing and the status is no finding.
        if let status = try? Files.status(of: directory), status.permissions != 0o700 {
            findings.complaints.insert("the directory has mode \(String(status.permissions, radix: 8))")
        }
        for name in (try? Files.names(inDirectory: directory)) ?? [] where !name.hasPrefix("child-") {
            let path = "\(directory)/\(name)"
            guard let status = try? Files.status(of: path, followingLinks: false) else { continue }
            if status.permissions != 0o600 {
                findings.complaints.insert("\(name) has mode \(String(status.permissions, radix: 8))")
            }
            if name.hasSuffix(".sock") {
                findings.sockets += 1
            }
            if name.hasSuffix("pid") {
                findings.pidFiles += 1
                if let bytes = try? Files.read(path, limit: 100),
                    Int32(String(decoding: bytes, as: UTF8.self)) == nil
                {
                    findings.complaints.insert("\(name) contains \(bytes)")
                }
            }
        }
    }
}
