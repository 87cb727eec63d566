import UVLoop
import UVLoopAsync

func echo() async throws {
    let executor = try LoopExecutor()
    let server = try await Server.bind(to: .loopback(.ipv4, port: 0), on: executor)
    async let serving: Void = server.serve(atMost: 1000) { connection in
        for try await line in connection.lines() {
            try await connection.write(line.text.uppercased() + "\n")  // waits while the client does not read
        }
    }

    let answer = try await Connection.with("localhost", port: server.address.port!, on: executor) { connection in
        try await connection.write("hello\n")
        try await connection.finishWriting()
        var answer = ""
        for try await line in connection.lines() { answer += line.text }
        return answer
    }
    print(answer)

    await server.close()
    try await serving
    await executor.shutdown()
}
