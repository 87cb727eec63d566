import KeeperProtocol

@testable import UVKeeper

/// Paths and files of a test, in its directory and in that of the sessions.
extension World {
    func path(_ name: String) -> String { "\(root)/\(name)" }

    func session(_ id: String) throws -> SessionID { try SessionID(id) }

    func text(_ name: String) -> String {
        (try? Files.read(path(name), limit: 100_000_000)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// What the child of a session has read so far; its default command writes that to a file.
    func received(_ id: String) -> [String] {
        text("\(id).out").split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { String($0) }
    }

    func write(_ text: String, to path: String) throws {
        try Files.unlinkIfPresent(path)
        let file = try OpenFile(path, .createNew)
        try file.write(Array(text.utf8))
        file.close()
    }

    /// Replaces the contents, not the file.
    func write(_ text: String, over path: String) throws {
        let file = try OpenFile(path, .readWrite)
        try file.truncate()
        try file.write(Array(text.utf8))
        file.close()
    }

    /// The names in the sessions directory that an original keeper has too.
    func sessionFiles() throws -> [String] {
        let ours = [".session.json", ".reserve", ".ctl.sock"]
        return try allFiles().filter { name in !ours.contains { name.hasSuffix($0) } }
    }

    func allFiles() throws -> [String] {
        do { return try Files.names(inDirectory: paths.directory) } catch UVError.noEntry { return [] } catch UVError
            .notDirectory
        { return [] }
    }

    func exists(_ path: String) -> Bool { (try? Files.status(of: path, followingLinks: false)) != nil }
}
