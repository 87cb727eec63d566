import UVLoop

/// Two minutes of UVLoop: a timer, a server, a client, a child, another thread, and the end.
@main struct Tour {
    static func main() throws {
        // A loop, on this thread. Callbacks run inside loop.run(), never within the call that asks for them.
        let loop = try Loop()

        loop.after(.milliseconds(200)) { print("timer: 200 ms have passed") }

        // A server, which sends a client's bytes back in capitals; a client that does not read is not read either.
        let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
        try listener.listen { _, client in
            guard let client = try? client.get() else { return }
            client.onDrain = { try? $0.readResume() }
            try? client.readStart(
                onBytes: { client, bytes in
                    let text = bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
                    if !client.write(text.uppercased()) { client.readStop() }
                },
                onEnd: { client, _ in client.finish(deadline: .seconds(5)) })
        }

        // A client, by name: addresses are looked up on threads of their own and tried side by side (RFC 8305).
        try TCPConnect(toHost: "localhost", port: listener.localAddress.port!, on: loop) { result in
            do {
                let stream = try result.get()
                var lines = LineFramer(maximumLineLength: 1024)
                try stream.readStart(
                    onBytes: { _, bytes in
                        _ = lines.appendByLine(bytes) { line in
                            print(
                                "client: got", line.withUnsafeBytes { String(decoding: $0.dropLast(), as: UTF8.self) })
                        }
                    },
                    onEnd: { stream, _ in
                        stream.close()
                        listener.close()
                    })
                stream.write("hello\n")
                stream.write("world\n")
                stream.shutdown()
            } catch {
                print("client:", error)
            }
        }

        // A child, with pipes. A descriptor of its own reports its exit, so no signal handler is installed.
        let child = try ChildProcess(
            .init(executable: "tr", arguments: ["a-z", "A-Z"], stdio: [.pipe, .pipe]), on: loop
        ) {
            print("child: \($1)")
            $0.close()
        }
        try child.streams[1]?.readStart(
            onBytes: { _, bytes in print("child: says", bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) })
            },
            onEnd: { output, _ in output.close() })
        child.streams[0]?.write("quietly")
        child.streams[0]?.shutdown { _ in child.streams[0]?.close() }

        // Slow work on a pool of threads; its result comes back to this thread.
        try loop.queueWork({ (1...1000).reduce(0, +) }) { sum in print("work: the sum is \(sum)") }

        // The run returns when nothing is left that could call back.
        loop.run()
        try loop.close()
    }
}
