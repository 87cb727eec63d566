import Libc
import TestSupport
import Testing
import UVLoop

@Suite("Examples: ends") struct EndingTests {
    @Test("a server ends in order while a client talks", arguments: ["tcp-echo", "tcp-chat"])
    func talking(name: String) throws {
        try withLoop { loop in
            let server = try RunningExample(name, ["0"], on: loop)
            let address = try SocketAddress.loopback(.ipv4, port: server.port())
            var heard = 0
            var isTold = false
            let clients = try (0..<2).map { _ in
                try TCPStream(connectingTo: address, on: loop) { stream, _ in
                    expectNoError { () throws(UVError) in
                        try stream.readStart(
                            onBytes: { _, bytes in heard += bytes.byteCount },
                            onEnd: { stream, _ in
                                isTold = true
                                // It has not heard of the end when it says this.
                                stream.write("and one more\n")
                                stream.shutdown { _ in stream.close() }
                            })
                    }
                }
            }
            try run(loop) {
                clients.forEach { if $0.isOpen, $0.queuedByteCount == 0 { $0.write("hello\n") } }
                return heard > 100
            }
            try server.process.kill(.terminate)
            try run(loop) { isTold }
            #expect(try server.runToEnd() == .exited(code: 0), "\(server.errors)")
        }
    }

    @Test("tcp-chat ends a client whose line is too long, also if it comes at once") func longLine() throws {
        try withLoop { loop in
            let server = try RunningExample("tcp-chat", ["0"], on: loop)
            var isEnded = false
            let client = try TCPStream(
                connectingTo: .loopback(.ipv4, port: server.port()), on: loop
            ) { stream, _ in
                expectNoError { () throws(UVError) in
                    try stream.readStart(onBytes: { _, _ in }, onEnd: { _, _ in isEnded = true })
                }
            }
            client.write(String(repeating: "x", count: 4096) + "\n" + String(repeating: "x", count: 4097) + "\n")
            try run(loop) { isEnded }
            client.close()
            #expect(try server.end() == .exited(code: 0))
        }
    }

    @Test("without standard descriptors nothing takes their place", arguments: ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    func closed(how: String) throws {
        let script = "\"$0\" 127.0.0.1 \(how); echo $?"
        let result = try runProgram("/bin/sh", ["-c", script, BuiltProducts.executable("resolve")])
        #expect(result.output.hasSuffix("0\n") && result.status == .exited(code: 0), "\(result)")
    }

    @Test("output that cannot be written is a failure, and nobody who reads it no signal") func full() throws {
        let script = "\"$0\" 127.0.0.1 >/dev/full; echo $?; { \"$0\" 127.0.0.1; echo $? >&2; } | :"
        let result = try runProgram("/bin/sh", ["-c", script, BuiltProducts.executable("resolve")])
        #expect(result.output.contains("ENOSPC") && result.output.contains("\n1\n"), "\(result)")
        #expect(!result.output.contains("141"))
    }

    @Test("follow ends by a signal while nobody reads what it prints") func fullPipe() throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/log"
            try Posix.write("", to: path)
            try withLoop { loop in
                let example = try RunningExample("follow", [path], on: loop)
                let file = try OpenFile(path, .append)
                defer { file.close() }
                while example.output.isEmpty {
                    try file.write(Array("line\n".utf8))
                    loop.run(.noWait)
                }
                // More than a pipe holds; it is not read here meanwhile.
                try file.write([UInt8](repeating: 10, count: 1 << 20))
                example.process.streams[1]?.readStop()
                try example.process.kill(.terminate)
                try run(loop) { example.status != nil }
                #expect(example.status == .exited(code: 0))
                example.process.streams[1]?.close()
                _ = try example.runToEnd()
            }
        }
    }

    @Test("connect sends all of a file to a host that has finished before") func halfClose() throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/input"
            try Posix.write([UInt8](repeating: 7, count: 8_000_000), to: path)
            try withLoop { loop in
                let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
                var count = 0
                try listener.listen { _, client in
                    expectNoError {
                        let stream = try client.get()
                        stream.shutdown()
                        try stream.readStart(
                            onBytes: { _, bytes in count += bytes.byteCount }, onEnd: { stream, _ in stream.close() })
                    }
                }
                let input = open(path, O_RDONLY)
                defer { close(input) }
                let example = try RunningExample(
                    "connect", ["127.0.0.1", "\(listener.localAddress.port!)"], input: .descriptor(input), on: loop)
                #expect(try example.runToEnd() == .exited(code: 0), "\(example.errors)")
                try run(loop) { count == 8_000_000 }
                listener.close()
            }
        }
    }
}
