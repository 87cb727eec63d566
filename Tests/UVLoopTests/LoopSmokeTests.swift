import TestSupport
import Testing
import UVLoop

@Suite("smoke") struct LoopSmokeTests {
    @Test("timer, tick, connect, write, read, shutdown, spawn") func everything() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                var ticks = 0
                loop.onNextTick {
                    ticks += 1; loop.onNextTick { ticks += 1 }
                }
                let timer = try TimerHandle(on: loop)
                timer.start(after: .milliseconds(5)) { $0.close() }
                let path = directory + "/s"
                let listener = try PipeListener(bindingTo: path, on: loop)
                var got: [UInt8] = []
                let payload = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0) }
                try listener.listen { listener, result in
                    listener.close()
                    let stream = try! result.get()
                    try! stream.readStart(
                        onBytes: { _, bytes in bytes.withUnsafeBytes { got.append(contentsOf: $0) } },
                        onEnd: { stream, error in
                            #expect(error == nil)
                            stream.close()
                        })
                }
                var wrote: [UVError?] = []
                _ = try PipeStream(connectingTo: path, on: loop) { stream, error in
                    #expect(error == nil)
                    stream.write(payload) { wrote.append($0) }
                    stream.shutdown { error in
                        #expect(error == nil)
                        #expect(stream.acceptedByteCount == 1_000_000)
                    }
                    try! stream.readStart(onBytes: { _, _ in }, onEnd: { stream, _ in stream.close() })
                }
                for usesLibuv in [false, true] {
                    var configuration = ChildProcess.Configuration(
                        executable: "sh", arguments: ["-c", "cat; ls /proc/self/fd; exit 3"],
                        stdio: [.pipe, .pipe, .ignore])
                    configuration.usesLibuv = usesLibuv
                    let child = try ChildProcess(configuration, on: loop) { _, status in
                        #expect(status == .exited(code: 3))
                    }
                    let input = child.streams[0]!
                    input.write(Array("hello\n".utf8))
                    input.shutdown { _ in input.close() }
                    var output: [UInt8] = []
                    try child.streams[1]!.readStart(
                        onBytes: { _, bytes in bytes.withUnsafeBytes { output.append(contentsOf: $0) } },
                        onEnd: { stream, _ in
                            print(String(decoding: output, as: UTF8.self).replacing("\n", with: " "))
                            #expect(output.starts(with: Array("hello\n".utf8)))
                            stream.close()
                        })
                    #expect(throws: SpawnError.executableNotFound("/nonexistent")) {
                        var c = configuration; c.executable = "/nonexistent"
                        _ = try ChildProcess(c, on: loop) { _, _ in }
                    }
                    #expect(throws: SpawnError.workingDirectory("/nonexistent", .noEntry)) {
                        var c = configuration; c.workingDirectory = "/nonexistent"
                        _ = try ChildProcess(c, on: loop) { _, _ in }
                    }
                }
                let remote = loop.remote
                loop.queueWork({
                    remote.submit { loop in loop.updateTime() }; return 42
                }) { #expect($0 == 42) }
                while loop.run() {}
                #expect(wrote == [nil]); #expect(got == payload); #expect(ticks == 2)
            }
        }
    }
}
