import TestSupport
import Testing
import UVKeeper

/// What README's section on the original promises: a Node server swaps the sidecar alone.
@Suite("A Node server with our sidecar") struct NodeServerTests {
    private static let script: String = {
        let tests = Files.parent(of: Files.parent(of: #filePath)!)!
        return "\(tests)/Helpers/node-server/server.mjs"
    }()
    private static let bin = Files.parent(of: BuiltProducts.executable("uvkeeper-sidecar"))!

    /// Starts the script with `/bin/sh`'s help, so that HOME is the test's; nil without Node.
    private func start(_ arguments: [String], home: String, on loop: Loop) throws -> (ChildProcess, Output)? {
        guard ExecutableSearch.find("node", path: ProcessEnvironment.current["PATH"]) != nil else {
            withKnownIssue("skipped: there is no node here") { Issue.record() }
            return nil
        }
        var environment = ProcessEnvironment.current
        environment["HOME"] = home
        environment["PI_DASHBOARD_HOME"] = nil
        let output = Output()
        let child = try ChildProcess(
            .init(
                executable: "node", arguments: [Self.script, Self.bin] + arguments, environment: environment,
                stdio: [.ignore, .pipe, .descriptor(2)]), on: loop
        ) { _, status in output.status = status }
        try child.streams[1]!.readStart(
            onBytes: { _, bytes in bytes.withUnsafeBytes { output.bytes += $0 } },
            onEnd: { stream, _ in stream.close() })
        return (child, output)
    }

    private final class Output {
        var bytes: [UInt8] = []
        var status: ProcessExit?
        var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    @Test("It notices every start that fails")
    func noticesFailures() throws {
        try withTemporaryDirectory { home in
            try withLoop { loop in
                guard let (_, output) = try start(["fail", "20"], home: home, on: loop) else { return }
                loop.run()
                #expect(output.status == .exited(code: 0))
                #expect(output.text == "20\n")
            }
        }
    }

    @Test("Its sessions survive it, its successor finds them by their files, writes on, and ends them by their group")
    func restarts() throws {
        try withTemporaryDirectory { home in
            try withLoop { loop in
                guard let (server, output) = try start(["start", "s"], home: home, on: loop) else { return }
                try run(loop) { output.text.hasSuffix("\n") || output.status != nil }
                let keeper = try #require(Int32(output.text.dropLast()))
                try server.kill(.kill)
                try run(loop) { output.status != nil }
                #expect(Processes.liveness(of: keeper) != .gone)
                guard let (_, next) = try start(["go-on", "s"], home: home, on: loop) else { return }
                loop.run()
                #expect(next.status == .exited(code: 0))
                #expect(next.text == "0\n", "files are left")
                // A server that waited 350 ms for a slow machine has sent its line again.
                let lines = try Files.read("\(home)/out", limit: 100).split(separator: 0x0A)
                let first = lines.indices.filter { $0 == 0 || lines[$0] != lines[$0 - 1] }.map { lines[$0] }
                #expect(first == ["one", "two", "three"].map { ArraySlice($0.utf8) })
            }
        }
    }
}
