import ArgumentParser
import KeeperProtocol
import UVKeeper

/// The values that a shell offers for an argument. The scripts of ``UVKeeperCommand`` call the program for them.
extension CompletionKind {
    /// The names of the sessions in the directory, alive or ended. A shell has no place for errors: where there are none to
    /// be read, nothing is offered.
    static let session = CompletionKind.custom { words, _, _ in
        guard let directory = directory(in: words) ?? KeeperManager.defaultDirectory() else { return [] }
        let paths = KeeperPaths(directory: directory)
        do throws(UVError) {
            let sessions = try Files.names(inDirectory: directory).compactMap {
                paths.sessionID(ofKeeperPIDFileNamed: $0) ?? paths.sessionID(ofRecordNamed: $0)
            }
            return Set(sessions.map(\.rawValue)).sorted()
        } catch {
            return []
        }
    }

    /// The directory that the words of an unfinished command name last; nil if they name none.
    private static func directory(in words: [String]) -> String? {
        let name = "--sessions-dir"
        for index in words.indices.reversed() {
            if words[index].hasPrefix(name + "=") { return String(words[index].dropFirst(name.count + 1)) }
            // Bash makes three words of an option with `=`.
            let next = words.index(index, offsetBy: 1, limitedBy: words.endIndex - 1)
            guard words[index] == name, let next else { continue }
            if words[next] != "=" { return words[next] }
            return next + 1 < words.endIndex ? words[next + 1] : nil
        }
        return nil
    }
}
