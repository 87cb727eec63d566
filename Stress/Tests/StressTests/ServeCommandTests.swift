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
                let session: SessionID = "s0"
                var channel: StandInChannel?
                let server = try ChildProcess(
                    .init(
                        executable: BuiltProducts.executable("uvkeeper-stress"),
                        arguments: [
                            "serve", "--guest", "--directory", directory, "--start",
                            "\(RunClock.microseconds(SystemClock.monotonicTime))", "--sessions", "1", "--writers", "1",
                            "--lines", "3", "--drain-limit", "0.2",
                        ], environment: run.environment, stdio: [.ignore, .ignore, .pipe]), on: loop
                ) {
                    status = $1
                    channel?.close()
                }
                try server.streams[2]?.collect { output += $0 }
                var count = 0
                channel = try StandInChannel(
                    session, at: KeeperPaths(directory: run.sessions).channel(for: session), .none, output: nil,
                    on: loop
                ) { _, written in
                    if confirms { written() }
                    count += 1
                    if count == 3 { expectNoError { try server.kill(.terminate) } }
                }
            }
            #expect(status == .exited(code: confirms ? 0 : 1))
            let text = String(decoding: output, as: UTF8.self)
            let told = "driven server: missing-completion: 3 were awaited for 0.2 seconds\n"
            #expect(text == (confirms ? "" : told))
        }
    }
}
