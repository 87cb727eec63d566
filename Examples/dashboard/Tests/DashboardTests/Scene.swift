import TestSupport
import UVLoop

/// The sessions in the pictures of the documentation.
enum Scene {
    static let count = 8

    static func make(in home: DashboardHome) throws {
        let agent = """
            echo 'model: reading 14 files' >&2; read -r line; echo "> $line"; echo '  fetching 3 mailboxes'; \
            echo '  2 messages need an answer'; echo '  drafts written: 2'; echo 'warning: one attachment was skipped' >&2; \
            echo '  tests passed: 41 of 41'; exec cat
            """
        try home.start(
            "build-4711", ["sh", "-c", "read -r line; exit 0"], labels: ["project": "keeper", "kind": "build"])
        try home.start(
            "import-2026", ["sh", "-c", "echo 'no such table: users' >&2; read -r line; exit 3"],
            labels: ["project": "shop"])
        try home.start("tests-nightly", ["sh", "-c", "echo running; exec cat"], labels: ["project": "keeper"])
        try home.start("language-server", ["cat"], labels: ["language": "swift"])
        try home.start("search-index", ["sh", "-c", "kill -STOP $$; exec cat"], labels: ["project": "shop"])
        try home.start("repl", ["cat"], labels: ["owner": "ann"])
        try home.start("notes-agent", ["cat"], labels: ["owner": "ben", "model": "small"])
        try home.start("mail-agent", ["sh", "-c", agent], labels: ["owner": "ann", "model": "large"])
        _ = try home.send(["answer what is urgent"], to: "mail-agent")
        _ = try home.send(["end"], to: "build-4711")
        _ = try home.send(["end"], to: "import-2026")
        try home.stop("tests-nightly")
        let body: JSON = [
            "lines": .array([JSON](repeating: .string(String(repeating: "x", count: 60_000)), count: 4)), "within": 0.1,
        ]
        _ = try home.ask("POST", "/api/sessions/search-index/lines", body)
    }

    /// Writes a picture for the documentation, if somebody wants them: `UVKEEPER_SCREENSHOTS` names the directory.
    static func keep(_ png: [UInt8], as name: String) throws {
        guard let directory = ProcessEnvironment.current["UVKEEPER_SCREENSHOTS"] else { return }
        try Files.makeDirectory(at: directory, permissions: 0o755)
        let path = "\(directory)/dashboard-\(name).png"
        try Posix.write(png, to: path)
        try Files.setPermissions(0o644, of: path)
    }
}
