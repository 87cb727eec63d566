import KeeperProtocol
import TestSupport
import Testing

@Suite struct PIDFileTests {
    @Test(
        "a file has the number of a process, white space around it",
        arguments: [
            ("1", 1), ("1234\n", 1234), (" \t7\r\n", 7), ("2147483647", 2_147_483_647), ("0001", 1),
            ("2147483648", nil),
            ("0", nil), ("", nil), (" \n", nil), ("-1", nil), ("+1", nil), ("1 2", nil), ("1a", nil), ("a1", nil),
            ("1.0", nil),
            ("99999999999999999999999999", nil), ("\u{661}", nil),
        ]
    )
    func numbers(text: String, pid: Int32?) throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/a.pid"
            try Posix.write(text, to: path)
            let file = PIDFile(number: path)
            #expect(file.exists && !file.isUndecided && file.pid == pid)
        }
    }

    @Test("a file that goes on after what is read has no number, since that may be half of it")
    func long() throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/a.pid"
            for (spaces, pid) in [(50, 12345), (58, 12345), (59, nil), (60, nil), (61, nil), (5000, nil)]
                as [(Int, Int32?)]
            {
                try Posix.write(String(repeating: " ", count: spaces) + "12345", to: path)
                #expect(PIDFile(number: path).pid == pid, "\(spaces) spaces")
            }
        }
    }

    @Test("a file that is not there is none, and what is no file says nothing")
    func others() throws {
        try withTemporaryDirectory { directory in
            #expect(!PIDFile(number: "\(directory)/a.pid").exists)
            #expect(PIDFile(number: directory).exists && PIDFile(number: directory).pid == nil)
            try Posix.write("12", to: "\(directory)/a.pid")
            try Posix.makeSymbolicLink(at: "\(directory)/link.pid", to: "a.pid")
            #expect(PIDFile(number: "\(directory)/link.pid").pid == nil)
        }
    }
}
