import TestSupport
import Testing
import UVLoop

/// `nc` as a client, and as a server. There are several programs of that name: the words used here mean the same to all.
@Suite("With nc", .enabled(if: Tool.isInstalled("nc"), "nc is not installed")) struct NetcatTests {
    private let text = (0..<50_000).map { "line \($0)\n" }.joined()

    @Test("tcp-echo gives nc back what it sends") func client() throws {
        try withTemporaryDirectory { directory in
            try Posix.write(text, to: "\(directory)/in")
            try withLoop { loop in
                let server = try RunningExample("tcp-echo", ["0"], on: loop)
                // Some end when their input does, others only wait for the other side then: by its second line it has all.
                let script = "nc 127.0.0.1 \(try server.port()) <'\(directory)/in' >'\(directory)/out'"
                let client = try Script("/bin/sh", ["-c", script], on: loop)
                try run(loop) { client.hasEnded || size(of: "\(directory)/out") == text.utf8.count }
                _ = try server.end()
                try run(loop) { client.hasEnded }
                #expect(String(decoding: try Files.read("\(directory)/out", limit: .max), as: UTF8.self) == text)
            }
        }
    }

    @Test("connect takes its input to nc, and nc's back") func server() throws {
        try withTemporaryDirectory { directory in
            try Posix.write(text, to: "\(directory)/in")
            try withLoop { loop in
                let port = try freePort(on: loop)
                // The one by the name of OpenBSD, or the one that needs -p.
                let script = """
                    nc -l 127.0.0.1 \(port) <'\(directory)/in' >'\(directory)/out' 2>/dev/null \
                    || nc -l -p \(port) -s 127.0.0.1 <'\(directory)/in' >'\(directory)/out'
                    """
                let server = try Script("/bin/sh", ["-c", script], on: loop)
                // nc does not say when it listens.
                var client: RunningExample
                repeat {
                    client = try RunningExample("connect", ["127.0.0.1", "\(port)"], on: loop)
                    client.type("question\n")
                    client.input.shutdown()
                    _ = try client.runToEnd()
                } while client.errors.contains("ECONNREFUSED") && !server.hasEnded
                #expect(client.text == text && client.errors.isEmpty)
                try run(loop) { server.hasEnded }
                #expect(
                    String(decoding: try Files.read("\(directory)/out", limit: .max), as: UTF8.self) == "question\n")
            }
        }
    }

    private func size(of path: String) -> Int? { (try? Files.status(of: path)).map { Int($0.size) } }

    /// A port that nobody listens on; it may be another's a moment later, though the system gives them in turns.
    private func freePort(on loop: Loop) throws -> Int {
        let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
        defer { listener.close() }
        return try #require(listener.localAddress.port)
    }
}
