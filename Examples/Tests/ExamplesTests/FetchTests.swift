import TestSupport
import Testing
import UVLoop

@Suite("fetch") struct FetchTests {
    private static let large = String(repeating: "0123456789", count: 30_000)

    @Test(
        "prints the body of an answer, however it is cut into packets",
        arguments: [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 0),
            ("HTTP/1.1 200 OK\r\ncontent-length:\t5 \r\n\r\nhello and more", "hello", 0),
            ("HTTP/1.0 204 None\r\n\r\n", "", 0),
            ("HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end", 0),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", 0),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n\r\nmore\r\n0\r\n\r\n",
                "hello\r\nmore", 0
            ),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone", "none", 1),
            ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "short", 1),
            ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", "", 1),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello", "", 1),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "hello", 1),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhello\r\n", "", 1),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nhello", "hello", 1),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\nhello", "hello", 1),
            ("HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello", "", 1),
            ("SSH-2.0-OpenSSH\r\n\r\n", "", 1),
            ("", "", 1),
        ], [1, 65536])
    func fetches(answer: (text: String, body: String, status: Int32), packet: Int) throws {
        try withLoop { loop in
            let (server, requests) = try serve(answer.text, packet: packet, on: loop)
            let port = try #require(server.localAddress.port)
            let client = try RunningExample("fetch", ["http://\(server.localAddress)/a?b=c#d"], on: loop)
            #expect(try client.runToEnd() == .exited(code: answer.status), "\(answer.text)")
            #expect(client.text == answer.body)
            #expect(client.errors.isEmpty == (answer.status == 0))
            server.close()
            #expect(requests.text.hasPrefix("GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\n"))
        }
    }

    @Test(
        "takes what is no http address for wrong usage", arguments: ["https://a/", "a", "http://", "http://a:x/", ""])
    func wrong(address: String) throws {
        #expect(try runProgram(BuiltProducts.executable("fetch"), [address]).status == .exited(code: 64))
    }

    @Test(
        "gets a large file from Python's server",
        .enabled(if: Tool.isInstalled("python3"), "python3 is not installed"))
    func python() throws {
        try withTemporaryDirectory { directory in
            try Posix.write(FetchTests.large, to: "\(directory)/f")
            try withLoop { loop in
                var line: [UInt8] = []
                let server = try ChildProcess(
                    .init(
                        executable: "python3", arguments: ["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"],
                        workingDirectory: directory, stdio: [.ignore, .pipe, .ignore]), on: loop
                ) { _, _ in }
                server.killWhenCanceled()
                try server.streams[1]?.readStart(
                    onBytes: { _, bytes in bytes.withUnsafeBytes { line += $0 } },
                    onEnd: { stream, _ in stream.close() })
                // "Serving HTTP on 127.0.0.1 port 41234 (http://…"
                try run(loop) { line.contains(10) }
                let words = String(decoding: line, as: UTF8.self).split(separator: " ")
                let port = try #require(words.firstIndex(of: "port").flatMap { Int(words[$0 + 1]) })
                let asked: [(String, String, Int32)] = [
                    ("localhost", "f", 0), ("127.0.0.1", "f", 0), ("localhost", "none", 1),
                ]
                for (host, path, status) in asked {
                    let client = try RunningExample("fetch", ["http://\(host):\(port)/\(path)"], on: loop)
                    #expect(try client.runToEnd() == .exited(code: status), "\(client.errors)")
                    #expect(status != 0 || client.text == FetchTests.large)
                }
                try server.kill(.kill)
            }
        }
    }

    private final class Requests { var text = "" }

    /// Answers one client, in packets of so many bytes.
    private func serve(_ answer: String, packet: Int, on loop: Loop) throws -> (TCPListener, Requests) {
        let requests = Requests()
        let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
        try listener.listen { _, client in
            guard let stream = try? client.get() else { return }
            try? stream.setNoDelay(true)
            var left = Array(answer.utf8)[...]
            func sendMore() {
                guard !left.isEmpty else { return stream.shutdown() }
                stream.write(Array(left.prefix(packet))) { error in if error == nil, !stream.isClosing { sendMore() } }
                left = left.dropFirst(packet)
            }
            try? stream.readStart(
                onBytes: { _, bytes in
                    bytes.withUnsafeBytes { requests.text += String(decoding: $0, as: UTF8.self) }
                    if requests.text.hasSuffix("\r\n\r\n") { sendMore() }
                },
                onEnd: { stream, _ in stream.close() })
        }
        return (listener, requests)
    }
}
