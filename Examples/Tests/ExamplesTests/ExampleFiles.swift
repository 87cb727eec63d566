import TestSupport
import UVLoop

/// Files of the examples that no build makes.
enum ExampleFiles {
    /// The path of a file below `Examples`.
    static func path(_ name: String) -> String {
        // Tests/ExamplesTests/ExampleFiles.swift is three levels down.
        var folder = #filePath
        for _ in 0..<3 { folder = Files.parent(of: folder) ?? folder }
        return "\(folder)/\(name)"
    }
}

extension KeeperHome {
    /// The channel of the session `s`.
    var channel: String { "\(directory)/s.ctl.sock" }
}
