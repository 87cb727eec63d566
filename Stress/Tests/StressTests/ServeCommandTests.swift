import TestSupport
import Testing
import UVKeeper

@testable import uvkeeper_stress

@Suite struct ServeCommandTests {
    @Test("a server that was left without outcomes says so and ends with status 1", arguments: [false, true])
    func status(confirms: Bool) throws {
        try withTemporaryDirectory { directory in
            let run = RunDirectory(directory: directory)
            try Files.makeDirectory(at: run.sessions)
            var status: ProcessExit?
            var output: [UInt8] = []
            try withLoop { loop in
                let listener = try PipeListener(
                    bindingTo: KeeperPaths(directory: run.sessions).socket(for: "s0"), on: loop)
                var clients: [PipeStream] = []
                let server = try ChildProcess(
                    .init(
                        executable: BuiltProducts.executable("uvkeeper-stress"),
                        arguments: [
                            "serve", "--guest", "--directory", directory, "--start",
                            "\(RunClock.microseconds(SystemClock.monotonicTime))", "--sessions", "1", "--writers", "1",
                            "--connect", "pipelined", "--lines", "3", "--drain-limit", "0.2",
                        ], environment: run.environment, stdio: [.ignore, .ignore, .pipe]), on: loop
                ) {
                    status = $1
                    for client in clients { client.close() }
                    listener.close()
                }
                try server.streams[2]?.collect { output += $0 }
                try listener.listen { _, accepted in
                    guard let client = expectNoError({ try accepted.get() }) else { return }
                    clients.append(client)
                    expectNoError {
                        // Its end: all three lines were sent.
                        try client.readStart(
                            onBytes: { _, _ in },
                            onEnd: { client, _ in
                                if confirms { client.close() }
                                expectNoError { try server.kill(.terminate) }
                            })
                    }
                }
            }
            #expect(status == .exited(code: confirms ? 0 : 1))
            let text = String(decoding: output, as: UTF8.self)
            let told = "driven server: missing-completion: 3 were awaited for 0.2 seconds\n"
            #expect(text == (confirms ? "" : told))
        }
    }
}
