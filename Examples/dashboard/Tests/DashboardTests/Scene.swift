import TestSupport
import UVLoop

/// The sessions in the pictures of the documentation.
enum Scene {
    static let count = 8

    static func make(in home: DashboardHome) throws {
        func start(_ name: String, _ words: String, does script: String, labels: JSON) throws {
            let program = String(words.prefix { $0 != " " })
            let path = "\(home.base)/\(program)"
            if !Files.exists(path) { try writeExecutable("#!/bin/sh\n\(script)\n", to: path) }
            try home.start(
                name, words.split(separator: " ").map { $0 == program ? "./\(program)" : "\($0)" }, labels: labels)
        }
        try start("build-4711", "build --all", does: "read -r line; exit 0", labels: ["project": "keeper"])
        try start(
            "import-2026", "import users.csv", does: "echo 'no such table: users' >&2; read -r line; exit 3",
            labels: ["project": "shop"])
        try start("tests-nightly", "tests --nightly", does: "exec cat", labels: ["project": "keeper"])
        try start("language-server", "language-server --stdio", does: "exec cat", labels: ["language": "swift"])
        try start("search-index", "index --watch docs", does: "kill -STOP $$; exec cat", labels: ["project": "shop"])
        try start("repl", "python3 -i", does: "exec cat", labels: ["owner": "ann"])
        try start("notes-agent", "agent --model small", does: agent, labels: ["owner": "ben"])
        try start("mail-agent", "agent --model large", does: agent, labels: ["owner": "ann", "project": "mail"])
        _ = try home.send(["answer what is urgent"], to: "mail-agent")
        _ = try home.send(["end"], to: "build-4711")
        _ = try home.send(["end"], to: "import-2026")
        try home.stop("tests-nightly")
        // More than its pipe holds.
        let line = JSON.string(String(repeating: "x", count: 60_000))
        _ = try home.ask(
            "POST", "/api/sessions/search-index/lines", ["lines": [line, line, line, line], "within": 0.1])
    }

    private static let agent = """
        echo 'model: reading 14 files' >&2
        read -r line
        echo "> $line"
        echo '  fetching 3 mailboxes'
        echo '  2 messages need an answer'
        echo '  drafts written: 2'
        echo 'warning: one attachment was skipped' >&2
        echo '  tests passed: 41 of 41'
        exec cat
        """

    /// Writes a picture for the documentation, if somebody wants them: `UVKEEPER_SCREENSHOTS` names the directory.
    static func keep(_ png: [UInt8], as name: String) throws {
        guard let directory = ProcessEnvironment.current["UVKEEPER_SCREENSHOTS"] else { return }
        try Files.makeDirectory(at: directory, permissions: 0o755)
        let path = "\(directory)/dashboard-\(name).png"
        try Posix.write(png, to: path)
        try Files.setPermissions(0o644, of: path)
    }
}
