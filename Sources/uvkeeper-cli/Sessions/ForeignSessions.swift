import KeeperProtocol
import UVKeeper

/// Sessions of another program, such as the original, whose names are no session ids here: commands cannot name them.
enum ForeignSessions {
    private static let ends = [KeeperPaths.socketPIDEnd, KeeperPaths.socketEnd]
    private static let shown = 5

    /// Reports that there are such sessions, and their names.
    static func report(in paths: KeeperPaths) {
        let names = names(in: paths)
        guard !names.isEmpty else { return }
        let list =
            names.prefix(shown).map { "'\(Output.escaped($0))'" }.joined(separator: ", ")
            + (names.count > shown ? ", ..." : "")
        Output.error(
            "left out: \(names.count) in \(paths.directory) with names that are no session ids here: \(list)")
    }

    private static func names(in paths: KeeperPaths) -> [String] {
        do throws(UVError) {
            let found = try Files.names(inDirectory: paths.directory, endingIn: ends).compactMap {
                paths.foreignSessionID(ofFileNamed: $0).map { ByteText($0) }
            }
            return Set(found).sorted().map(\.text)
        } catch {
            // The command itself has reported the error.
            return []
        }
    }
}
