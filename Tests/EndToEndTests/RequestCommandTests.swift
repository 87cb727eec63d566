import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper request") struct RequestCommandTests {
    @Test("prints the next line that the child writes, whatever it has written before") func nextLine() throws {
        try CommandHome.with { home in
            let child = "echo before; while read -r x; do echo \"<$x>\"; done"
            #expect(try home.run("spawn", "s", "--", "sh", "-c", child).code == 0)
            try home.eventually("it has begun") { try home.run("read", "s").output == "before\n" }
            for line in ["one", "- two", "--id", "-h", "π"] {
                let run = try home.run("request", "s", line)
                #expect(run.code == 0 && run.output == "<\(line)>\n" && run.errors.isEmpty, "\(run)")
            }
            let json = try home.run("request", "--json", "s", "x")
            #expect(json.code == 0 && json.lines == [#"{"answer":"<x>","offset":38}"#], "\(json)")
        }
    }

    /// A JSON-RPC server in shell: other messages first, then the answer.
    private static let server = """
        while read -r line; do
            id=${line#*\\"id\\":}; id=${id%%[,\\}]*}
            printf '{"jsonrpc":"2.0","method":"note"}\\n{"jsonrpc":"2.0","id":%s,"method":"ping"}\\nno json\\n' "$id"
            printf '{"jsonrpc":"2.0","id":%s,"params":{}}\\n' "$id"
            case $line in
                *fail*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-1}}\\n' "$id" ;;
                *quiet*) ;;
                *end*) echo 'last words' >&2; exit 3 ;;
                *) printf '{"jsonrpc":"2.0","id":99,"result":0}\\n{"jsonrpc":"2.0","id":%s,"result":"yes"}\\n' "$id" ;;
            esac
        done
        """

    @Test("with --id it prints the answer of that id, a number or a string, and nothing else") func id() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "sh", "-c", Self.server).code == 0)
            let number = try home.run("request", "s", #"{"id":7,"method":"x"}"#, "--id", "7")
            #expect(number.code == 0, "\(number)")
            #expect(number.output == #"{"jsonrpc":"2.0","id":7,"result":"yes"}"# + "\n", "\(number)")
            for id in ["a-1", #""a-1""#] {
                let text = try home.run("request", "--id", id, "s", #"{"id":"a-1","method":"x"}"#)
                #expect(
                    text.code == 0 && text.output == #"{"jsonrpc":"2.0","id":"a-1","result":"yes"}"# + "\n", "\(text)")
            }
            // The last two are two normal forms of one text; a quotation mark with an accent behind it is one still.
            let accented = "\"\u{301}\""
            #expect(try home.run("request", "--id", accented, "s", "{\"id\":\(accented)}").code == 0)
            for (wrong, id) in [("9007199254740993", "9007199254740992"), ("0x7", "7"), ("\u{E9}", "\"e\u{301}\"")] {
                let line = "{\"id\":\(id)}"
                let other = try home.run("request", "--id", wrong, "--timeout", "0.3", "s", line)
                #expect(other.code == 124 && other.output.isEmpty, "\(other)")
            }
            let error = try home.run("request", "s", #"{"id":8,"method":"fail"}"#, "--id", "8")
            #expect(error.code == 3 && error.output.contains(#""error""#), "\(error)")
            let string = try home.run("request", "s", #"{"id":9}"#, "--id", #""9""#, "--timeout", "0.2")
            #expect(string.code == 124 && string.output.isEmpty, "\(string)")
        }
    }

    @Test("an answer that is longer than what is kept is printed whole, or not at all") func tornAnswer() throws {
        try CommandHome.with { home in
            let child = "while read -r count; do head -c $count /dev/zero | tr '\\0' x; echo; done"
            #expect(try home.run("spawn", "s", "--", "sh", "-c", child).code == 0)
            let run = try home.run("request", "--timeout", "5", "s", "60000000")
            let isWhole = run.code == 0 && run.bytes.count == 60_000_001
            #expect(isWhole || run.code == 124 && run.bytes.isEmpty, "\(run.bytes.count) bytes, \(run.errors)")
        }
    }

    @Test("tells no answer from a line that was not delivered, and from a session that has ended")
    func failures() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "sh", "-c", Self.server).code == 0)
            let quiet = try home.run("request", "s", #"{"id":1,"method":"quiet"}"#, "--id", "1", "--timeout", "0.3")
            #expect(quiet.code == 124 && quiet.errors.contains("has the line"), "\(quiet)")
            let ends = try home.run("request", "--json", "s", #"{"id":2,"method":"end"}"#, "--id", "2")
            #expect(ends.code == 1 && ends.output.contains("ended before it answered"), "\(ends)")
            #expect(ends.output.contains("code 3") && ends.output.contains("last words"), "\(ends)")
            for session in ["s", "nobody"] {
                let none = try home.run("request", session, "x")
                #expect(none.code == 1 && none.output.isEmpty && !none.errors.isEmpty, "\(none)")
            }
            #expect(try home.run("spawn", "n", "--no-output", "--", "cat").code == 0)
            let silent = try home.run("request", "n", "x")
            #expect(silent.code == 1 && silent.errors.contains("keeps no output"), "\(silent)")
            // Its pipe is full: nobody can say that the line is in it.
            #expect(try home.run("spawn", "b", "--", "sleep", "1000").code == 0)
            let large = String(repeating: "x", count: 100_000)
            let blocked = try home.run("request", "b", large, "--timeout", "0.3")
            #expect(blocked.code == 2 && blocked.errors.contains("unknown"), "\(blocked.errors)")
            #expect(try home.run("request", "s").code == 64)
            #expect(try home.run("request", "s", "a", "b").code == 64)
        }
    }
}
