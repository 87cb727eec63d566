import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A search for an executable") struct ExecutableSearchTests {
    @Test("returns a name with a slash as it is") func slash() {
        #expect(ExecutableSearch.find("/no/such", path: nil) == "/no/such")
        #expect(ExecutableSearch.find("a/b", path: "/bin") == "a/b")
        // A slash and a combining accent are one Character.
        #expect(ExecutableSearch.find("a/\u{301}b", path: "/bin") == "a/\u{301}b")
        #expect(ExecutableSearch.find("", path: "/bin") == nil)
    }

    @Test("takes the first executable file, in the order of the directories") func order() throws {
        try withTemporaryDirectory { directory in
            for name in ["a", "b", "c"] { try Files.makeDirectory(at: "\(directory)/\(name)") }
            try Files.makeDirectory(at: directory + "/a/tool")
            for name in ["b", "c"] { _ = try OpenFile("\(directory)/\(name)/tool", .createNew) }
            let path = "\(directory)/none:\(directory)/a:\(directory)/b:\(directory)/c"
            #expect(ExecutableSearch.find("tool", path: path) == nil)
            chmod(directory + "/c/tool", 0o755)
            #expect(ExecutableSearch.find("tool", path: path) == directory + "/c/tool")
            chmod(directory + "/b/tool", 0o755)
            #expect(ExecutableSearch.find("tool", path: path) == directory + "/b/tool")
            #expect(ExecutableSearch.find("tool", path: "none:b", in: directory) == "b/tool")
            #expect(ExecutableSearch.find("tool", path: "", in: directory + "/b") == "./tool")
            #expect(ExecutableSearch.find("tool", path: "none:", in: directory + "/b") == "./tool")
        }
    }

    @Test("falls back to the system's directories without PATH") func fallback() {
        #expect(ExecutableSearch.find("sh", path: nil)?.hasSuffix("/sh") == true)
    }
}
