import TestSupport
import Testing
import UVLoop

@Suite("With Node", .enabled(if: Tool.isInstalled("node"), "node is not installed")) struct NodeTests {
    /// 1 MB that no part of repeats.
    private static let content = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 8) }
    /// The same in JavaScript.
    private static let prelude = """
        const net = require('net'), http = require('http');
        const content = Buffer.alloc(1000000);
        for (let i = 0; i < content.length; i++) content[i] = (i * 7) ^ (i >> 8);

        """

    @Test("tcp-echo gives a Node client 1 MB back, also after its half-close") func client() throws {
        try withLoop { loop in
            let server = try RunningExample("tcp-echo", ["0"], on: loop)
            let client = try script(
                """
                const parts = [];
                const client = net.connect({ port: \(try server.port()), host: '127.0.0.1', allowHalfOpen: true });
                client.on('data', part => parts.push(part));
                client.on('end', () => process.exit(content.equals(Buffer.concat(parts)) ? 0 : 1));
                client.on('error', error => { console.log(error); process.exit(2); });
                client.end(content);
                """, on: loop)
            try client.expectSuccess()
            #expect(try server.end() == .exited(code: 0))
        }
    }

    @Test("1 MB goes both ways at once to a Node server, each way with an end of its own") func server() throws {
        try withLoop { loop in
            // It answers before it has read anything, and again after the end.
            let server = try script(
                """
                const server = net.createServer({ allowHalfOpen: true }, client => {
                    const parts = [];
                    client.write(content);
                    client.on('data', part => parts.push(part));
                    client.on('end', () => {
                        client.end(content.equals(Buffer.concat(parts)) ? 'right' : 'wrong');
                        server.close();
                    });
                });
                server.listen(0, '127.0.0.1', () => console.log(server.address().port));
                """, on: loop)
            let address = try SocketAddress.loopback(.ipv4, port: server.port())
            var got: [UInt8]?
            let client = try TCPStream(connectingTo: address, on: loop) { stream, error in
                #expect(error == nil)
                expectNoError { try stream.collect { got = $0 } }
            }
            client.write(Self.content)
            client.shutdown { #expect($0 == nil) }
            try run(loop) { got != nil }
            #expect(got == Self.content + Array("right".utf8))
            try server.expectSuccess()
        }
    }

    @Test("connect talks with a Node server, and finish waits for its last word") func connects() throws {
        try withLoop { loop in
            let server = try script(
                """
                const server = net.createServer({ allowHalfOpen: true }, client => {
                    let text = '';
                    client.on('data', part => text += part);
                    client.on('end', () => setImmediate(() => client.end('you said ' + text)));
                });
                server.listen(0, '127.0.0.1', () => console.log(server.address().port));
                """, on: loop)
            let port = try server.port()
            let client = try RunningExample("connect", ["localhost", "\(port)"], on: loop)
            client.type("hello\n")
            client.input.shutdown()
            #expect(try client.runToEnd() == .exited(code: 0))
            #expect(client.text == "you said hello\n")
            var (got, outcomes) = ("", [UVError?]())
            _ = try TCPStream(connectingTo: .loopback(.ipv4, port: port), on: loop) { stream, _ in
                expectNoError { () throws(UVError) in
                    try stream.readStart(
                        onBytes: { _, bytes in bytes.withUnsafeBytes { got += String(decoding: $0, as: UTF8.self) } },
                        onEnd: { _, _ in })
                }
                stream.write("goodbye")
                stream.finish(deadline: hangTimeout) { outcomes.append($0) }
            }
            try run(loop) { !outcomes.isEmpty }
            #expect(got == "you said goodbye" && outcomes == [nil])
            try server.kill()
        }
    }

    @Test("fetch gets a chunked answer of Node's, and a counted one, and says that one was cut") func fetch() throws {
        try withLoop { loop in
            let server = try script(
                """
                const server = http.createServer((request, response) => {
                    if (request.url == '/counted') response.setHeader('Content-Length', content.length);
                    if (request.url == '/none') response.statusCode = 404;
                    for (let i = 0; i < content.length; i += 77777) response.write(content.subarray(i, i + 77777));
                    if (request.url == '/cut') response.write('', () => response.socket.destroy());
                    else response.end();
                });
                server.listen(0, '127.0.0.1', () => console.log(server.address().port));
                """, on: loop)
            let address = try SocketAddress.loopback(.ipv4, port: server.port())
            let asked: [(String, Int32)] = [("chunked", 0), ("counted", 0), ("none", 1), ("cut", 1)]
            for (path, status) in asked {
                let client = try RunningExample("fetch", ["http://\(address)/\(path)"], on: loop)
                #expect(try client.runToEnd() == .exited(code: status), "\(path): \(client.errors)")
                if path != "cut" { #expect(client.output == Self.content) }
            }
            try server.kill()
        }
    }

    private func script(_ text: String, on loop: Loop) throws -> Script {
        try Script("node", ["-e", Self.prelude + text], on: loop)
    }
}
