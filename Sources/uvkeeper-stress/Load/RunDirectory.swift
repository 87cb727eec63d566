import UVKeeper

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The directories of one run, and the mark by which its processes are found.
///
/// Receipts and ledgers grow with the lines, so they are on disk. The sessions directory is in memory where the system has
/// such a file system: a disk's that has to remove and make thousands of files again keeps whoever else uses the directory
/// waiting, which no keeper or manager can help.
struct RunDirectory {
    static let variable = "UVKEEPER_STRESS_RUN"

    private static let parent = "/tmp"
    private static let memoryParent = "/dev/shm"

    /// Of receipts and ledgers.
    let directory: String
    /// In memory, or the same one.
    private let quick: String

    /// Makes directories with a short name, since socket paths are limited.
    static func make() throws -> RunDirectory {
        var template = Array("\(parent)/uvks-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw StressError("cannot make a directory in \(parent): errno \(errno)")
        }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // Where it cannot be made, there is no such file system, or it is not for us.
        _ = mkdir(inMemory(path), 0o700)
        return RunDirectory(directory: path)
    }

    /// The one that another process has made.
    init(directory: String) {
        self.directory = directory
        let inMemory = RunDirectory.inMemory(directory)
        let status = try? Files.status(of: inMemory, followingLinks: false)
        quick = status?.kind == .directory && status?.owner == geteuid() ? inMemory : directory
    }

    private static func inMemory(_ directory: String) -> String {
        memoryParent + directory[(directory.lastIndex(of: "/") ?? directory.startIndex)...]
    }

    var sessions: String { quick + "/s" }

    /// Where a session's socket is while it is missed.
    func hiddenSocket(of session: Int) -> String { "\(quick)/hidden-\(session)" }

    /// What keepers and children get: the mark is in it, so that whatever is left of the run can be found.
    var environment: ProcessEnvironment {
        var environment = ProcessEnvironment.current
        environment[RunDirectory.variable] = directory
        return environment
    }

    var vitals: String { directory + "/vitals" }

    func ledger(session: Int, writer: Int) -> String { "\(directory)/l\(session)-\(writer)" }
    func receipts(session: Int, life: Int) -> String { "\(directory)/r\(session)-\(life)" }

    /// The numbers of a session's lives, as far as they have files.
    func lives(session: Int) -> Range<Int> {
        let names = (try? Files.names(inDirectory: directory)) ?? []
        return 0..<names.filter { $0.hasPrefix("r\(session)-") }.count
    }

    /// Every living process of this run but this one; none where the system has no `/proc`.
    func processes() throws(UVError) -> [Int32] {
        let needle = Array("\(RunDirectory.variable)=\(directory)\u{0}".utf8)
        let names: [String]
        do throws(UVError) {
            names = try Files.names(inDirectory: "/proc")
        } catch .noEntry {
            return []
        }
        return names.compactMap { Int32($0) }.filter { pid in
            guard pid != Processes.currentID, let bytes = try? Files.read("/proc/\(pid)/environ", limit: 1 << 20),
                bytes.firstRange(of: needle) != nil
            else { return false }
            return Processes.liveness(of: pid) != .gone
        }
    }

    /// What is in the sessions directory and is no log.
    func leftovers() throws(UVError) -> [String] {
        try Files.names(inDirectory: sessions).filter { !$0.hasSuffix(".log") }
    }

    /// Those of sessions whose names start so, and that no discovery is removing now: it holds the lock of the pid file, and
    /// removes that last.
    func abandoned(_ prefix: String) throws(UVError) -> [String] {
        var abandoned: [String] = []
        for name in try leftovers() where name.hasPrefix(prefix) {
            let path = "\(sessions)/\(name)"
            let socket = path.firstRange(of: ".rpc.sock").map { path[..<$0.upperBound] } ?? path[...]
            do throws(UVError) {
                if try OpenFile(socket + ".pid", .readOnly).lockHolder() == .description { continue }
            } catch .noEntry {
                // The whole session has gone since, or its pid file went before the others.
                do throws(UVError) { _ = try Files.status(of: path, followingLinks: false) } catch .noEntry { continue }
            }
            abandoned.append(name)
        }
        return abandoned
    }

    /// Removes them with everything in them.
    func remove() { for path in Set([directory, quick]) { RunDirectory.removeTree(path) } }

    private static func removeTree(_ path: String) {
        for name in (try? Files.names(inDirectory: path)) ?? [] {
            let child = "\(path)/\(name)"
            if (try? Files.status(of: child, followingLinks: false).kind) == .directory {
                removeTree(child)
            } else {
                try? Files.unlink(child)
            }
        }
        try? Files.removeDirectory(path)
    }
}
