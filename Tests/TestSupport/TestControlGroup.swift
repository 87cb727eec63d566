import UVLoop

/// Control groups of version 2 that a test makes, below one of its own at the root of the hierarchy. Only root can.
public struct TestControlGroup {
    /// Where the hierarchy is mounted: on hybrid hosts beside those of version 1.
    private static let root = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].first { Files.exists("\($0)/cgroup.procs") }

    /// Its directory.
    public let path: String
    /// Its path in the hierarchy.
    public var name: String { String(path.dropFirst(Self.root?.count ?? 0)) }

    /// Runs `body` with an empty group, which is removed with all below it.
    ///
    /// - Returns: false, and nothing was run, where no group can be made.
    public static func with(_ body: (TestControlGroup) throws -> Void) throws -> Bool {
        guard Posix.isRoot, let root else { return false }
        let path = "\(root)/uvk-\(String(UInt64.random(in: .min ... .max), radix: 36))"
        do throws(UVError) { try Files.makeDirectory(at: path) } catch { return false }
        let group = TestControlGroup(path: path)
        defer { group.remove(path) }
        try body(group)
        return true
    }

    /// Makes a group below it.
    ///
    /// - Returns: its directory.
    public func make(_ name: String) throws -> String {
        try Files.makeDirectory(at: "\(path)/\(name)")
        return "\(path)/\(name)"
    }

    /// Puts a process into a new group below it.
    public func move(_ process: Int32, to name: String) throws { try Self.put(process, into: make(name)) }

    /// Puts a process into the group of a directory.
    public static func put(_ process: Int32, into path: String) throws {
        try write("\(process)", to: "\(path)/cgroup.procs")
    }

    /// Writes into a file of a group.
    public static func write(_ text: String, to path: String) throws {
        let file = try OpenFile(path, .append)
        defer { file.close() }
        try file.write(Array(text.utf8))
    }

    /// What `/bin/sh -c` runs to start a program in a group below it.
    public func shell(_ name: String) throws -> String {
        #"echo $$ >"\#(try make(name))/cgroup.procs" && exec "$@""#
    }

    /// The groups below it, but for those of a name.
    public func names(except name: String) -> [String] {
        ((try? Files.names(inDirectory: path)) ?? []).filter {
            $0 != name && (try? Files.status(of: "\(path)/\($0)").kind) == .directory
        }
    }

    /// The group of a process; nil once it has ended.
    public static func name(of process: Int32) -> String? {
        guard let text = try? Files.read("/proc/\(process)/cgroup", limit: 4096) else { return nil }
        return String(decoding: text, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("0::") }
            .map { String($0.dropFirst(3)) }
    }

    private func remove(_ path: String) {
        for name in (try? Files.names(inDirectory: path)) ?? []
        where (try? Files.status(of: "\(path)/\(name)").kind) == .directory {
            remove("\(path)/\(name)")
        }
        // A zombie may be in it for a moment.
        let deadline = SystemClock.monotonicTime + .seconds(5)
        while (try? Files.removeDirectory(path)) == nil, Files.exists(path), SystemClock.monotonicTime < deadline {}
    }
}
