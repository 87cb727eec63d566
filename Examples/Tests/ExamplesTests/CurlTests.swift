import TestSupport
import Testing
import UVLoop

@Suite("With curl", .enabled(if: Tool.isInstalled("curl"), "curl is not installed")) struct CurlTests {
    @Test("a server on UVLoop serves curl, several requests on one connection, bodies both ways") func server() throws {
        try withTemporaryDirectory { directory in
            let body = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
            try Posix.write(body, to: "\(directory)/body")
            try withLoop { loop in
                let server = try HTTPEcho(on: loop)
                let address = "http://\(server.address)"
                let client = try Script(
                    "curl",
                    [
                        "--silent", "--show-error", "--fail", "--noproxy", "*", "--data-binary", "@\(directory)/body",
                        "--output", "\(directory)/one", "\(address)/one", "--output", "\(directory)/two",
                        "\(address)/two",
                    ], on: loop)
                try client.expectSuccess()
                for name in ["one", "two"] { #expect(try Files.read("\(directory)/\(name)", limit: .max) == body) }
                #expect(server.requests == ["POST /one HTTP/1.1", "POST /two HTTP/1.1"])
                #expect(server.connections == 1)
                server.close()
            }
        }
    }

    @Test("a server that resets, refuses, or ends too early is told apart by curl") func failures() throws {
        try withLoop { loop in
            // CURLE_COULDNT_CONNECT, CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_PARTIAL_FILE.
            for (how, status) in [("refuse", 7), ("close", 52), ("reset", 56), ("cut", 18)] as [(String, Int32)] {
                let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
                if how != "refuse" {
                    try listener.listen { _, client in
                        expectNoError {
                            try client.get().readStart(
                                onBytes: { stream, _ in
                                    switch how {
                                    case "reset": (stream as? TCPStream)?.reset()
                                    case "cut":
                                        stream.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")
                                        stream.shutdown()
                                    default: stream.shutdown()
                                    }
                                },
                                onEnd: { stream, _ in stream.close() })
                        }
                    }
                }
                let client = try Script(
                    "curl",
                    ["--silent", "--noproxy", "*", "--output", "/dev/null", "http://\(listener.localAddress)/"],
                    on: loop)
                try run(loop) { client.hasEnded }
                #expect(client.status == .exited(code: status), "\(how)")
                listener.close()
            }
        }
    }

    /// Answers every request with its own body, and keeps the connection.
    private final class HTTPEcho {
        private let listener: TCPListener
        private(set) var connections = 0
        private(set) var requests: [String] = []

        init(on loop: Loop) throws {
            listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            try listener.listen { [unowned self] _, client in
                expectNoError { self.serve(try client.get()) }
            }
        }

        var address: SocketAddress { listener.localAddress }

        func close() { listener.close() }

        private func serve(_ client: TCPStream) {
            connections += 1
            var held: [UInt8] = []
            // The length of the body that comes next.
            var length: Int?
            expectNoError {
                try client.readStart(
                    onBytes: { [unowned self] stream, bytes in
                        bytes.withUnsafeBytes { held += $0 }
                        if length == nil, let end = held.firstRange(of: Array("\r\n\r\n".utf8)) {
                            let head = String(decoding: held[..<end.lowerBound], as: UTF8.self)
                            held.removeSubrange(..<end.upperBound)
                            length = take(head, stream)
                        }
                        guard let count = length, held.count >= count else { return }
                        stream.write(parts: [
                            Array("HTTP/1.1 200 OK\r\nContent-Length: \(count)\r\n\r\n".utf8),
                            Array(held.prefix(count)),
                        ])
                        held.removeFirst(count)
                        length = nil
                    },
                    onEnd: { stream, _ in stream.close() })
            }
        }

        private func take(_ head: String, _ stream: UVLoop.Stream) -> Int {
            let lines = head.split(separator: "\r\n").map(String.init)
            requests.append(lines[0])
            let fields = lines.dropFirst().map { $0.lowercased() }
            // curl waits for it before a body of this size.
            if fields.contains("expect: 100-continue") { stream.write("HTTP/1.1 100 Continue\r\n\r\n") }
            let length = fields.first { $0.hasPrefix("content-length: ") }
            return length.flatMap { Int($0.dropFirst(16)) } ?? 0
        }
    }
}
