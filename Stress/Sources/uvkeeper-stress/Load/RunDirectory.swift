import UVKeeper

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The directory of one run: sessions, receipts and ledgers, and the mark by which its processes are found.
///
/// It is in memory where the system has such a file system with room: a disk that has to write back what is mapped, or to
/// remove and make thousands of files again, keeps harness, keepers and children waiting, which no keeper can help.
struct RunDirectory {
    static let variable = "UVKEEPER_STRESS_RUN"

    /// So much must be free for it to be in memory; a run that goes on for hours takes gigabytes.
    private static let memoryRoom: UInt64 = 2 << 30
    /// With less than this a run ends, since a mapped file that finds no room kills whoever writes to it.
    private static let leastRoom: UInt64 = 64 << 20

    let directory: String
    var sessions: String { directory + "/s" }

    /// Makes a directory with a short name, since socket paths are limited.
    static func make() throws -> RunDirectory {
        if room(in: "/dev/shm") >= memoryRoom, let directory = try? make(in: "/dev/shm") { return directory }
        return try make(in: "/tmp")
    }

    private static func make(in parent: String) throws -> RunDirectory {
        var template = Array("\(parent)/uvks-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw StressError("cannot make a directory in \(parent): errno \(errno)")
        }
        return RunDirectory(
            directory: String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    /// Bytes that are free on the file system of a path; 0 if it cannot be told.
    private static func room(in path: String) -> UInt64 {
        var system = statvfs()
        guard statvfs(path, &system) == 0 else { return 0 }
        return UInt64(system.f_bavail) * UInt64(system.f_frsize)
    }

    /// Why the run had better end; nil while there is room.
    var shortage: String? {
        let room = RunDirectory.room(in: directory)
        return room < RunDirectory.leastRoom
            ? "less than \(Texts.bytes(Double(RunDirectory.leastRoom))) are free where \(directory) is" : nil
    }

    /// What keepers and children get: the mark is in it, so that whatever is left of the run can be found.
    var environment: ProcessEnvironment {
        var environment = ProcessEnvironment.current
        environment[RunDirectory.variable] = directory
        return environment
    }

    var vitals: String { directory + "/vitals" }

    func ledger(session: Int, writer: Int) -> String { "\(directory)/l\(session)-\(writer)" }
    func receipts(session: Int, life: Int) -> String { "\(directory)/r\(session)-\(life)" }

    /// What a server with a stable writer's name has given out.
    func journal(session: Int) -> String { "\(directory)/j\(session)" }

    /// Where a server that may be killed writes down which starts have failed.
    func failedStarts(session: Int) -> String { "\(directory)/f\(session)" }

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
            guard pid != CurrentProcess.id, let bytes = try? Files.read("/proc/\(pid)/environ", limit: 1 << 20),
                bytes.firstRange(of: needle) != nil
            else { return false }
            return Processes.liveness(of: pid) != .gone
        }
    }

    /// What is in the sessions directory and is no log.
    func leftovers() throws(UVError) -> [String] {
        try Files.names(inDirectory: sessions).filter { !$0.hasSuffix(".log") && !$0.hasSuffix(".session.json") }
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

    /// Removes it with everything in it.
    func remove() { RunDirectory.removeTree(directory) }

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
