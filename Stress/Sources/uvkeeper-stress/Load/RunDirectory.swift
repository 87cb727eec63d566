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
/// The directory is in memory if the system has such a file system with room: a disk that has to write back mapped
/// pages, or to remove and make thousands of files, would keep harness, keepers and children waiting, which is no
/// keeper's fault.
struct RunDirectory {
    static let variable = "UVKEEPER_STRESS_RUN"

    /// The room that must be free for a directory in memory; a run of hours takes gigabytes.
    private static let memoryRoom: UInt64 = 2 << 30
    /// The room below which a run ends, since a mapped file that finds no room kills the process that writes to it.
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

    /// Returns the number of free bytes on the file system of a path; 0 if unknown.
    private static func room(in path: String) -> UInt64 {
        var system = statvfs()
        guard statvfs(path, &system) == 0 else { return 0 }
        return UInt64(system.f_bavail) * UInt64(system.f_frsize)
    }

    /// The reason to end the run for want of room; nil if there is none.
    var shortage: String? {
        let room = RunDirectory.room(in: directory)
        return room < RunDirectory.leastRoom
            ? "less than \(Texts.bytes(Double(RunDirectory.leastRoom))) are free where \(directory) is" : nil
    }

    /// The environment of keepers and children; it contains the mark by which they can be found.
    var environment: ProcessEnvironment {
        var environment = ProcessEnvironment.current
        environment[RunDirectory.variable] = directory
        return environment
    }

    var vitals: String { directory + "/vitals" }

    func ledger(session: Int, writer: Int) -> String { "\(directory)/l\(session)-\(writer)" }
    func readLog(session: Int, reader: Int, _ stream: ChildStream) -> String {
        "\(directory)/o\(session)-\(reader)-\(stream)"
    }
    func receipts(session: Int, life: Int) -> String { "\(directory)/r\(session)-\(life)" }

    /// The path of the journal of a server with a stable writer's name.
    func journal(session: Int) -> String { "\(directory)/j\(session)" }

    /// The path of the file in which a server that may be killed notes failed starts.
    func failedStarts(session: Int) -> String { "\(directory)/f\(session)" }

    /// Returns the numbers of a session's lives that have files.
    func lives(session: Int) -> Range<Int> {
        let names = (try? Files.names(inDirectory: directory)) ?? []
        return 0..<names.filter { $0.hasPrefix("r\(session)-") }.count
    }

    /// Returns every living process of this run but this one; none on a system without `/proc`.
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

    /// Returns the names in the sessions directory that do not stay after a session's end, as logs, records and output
    /// do.
    func leftovers() throws(UVError) -> [String] {
        try Files.names(inDirectory: sessions).filter {
            !$0.hasSuffix(".log") && !$0.hasSuffix(".session.json") && !RunDirectory.isSegment($0)
        }
    }

    /// True for the name of a file of output: it ends in a stream and 20 digits.
    private static func isSegment(_ name: String) -> Bool {
        let words = name.split(separator: ".")
        guard words.count > 3, let digits = words.last,
            words[words.count - 2] == "out" || words[words.count - 2] == "err"
        else { return false }
        return digits.count == 20 && digits.allSatisfy(\.isNumber)
    }

    /// Returns the leftovers of sessions whose names start with `prefix`, unless a discovery is removing them now: it
    /// holds the lock of the pid file, and removes that last.
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

    /// Removes the directory with everything in it.
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
