import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A lock on a file") struct OpenFileLockingTests {
    @Test(
        "of another process is refused to us, names its holder, and ends when that is killed",
        arguments: ["process", "description"]) func twoProcesses(mode: String) throws
    {
        try withTemporaryDirectory { directory in
            let path = directory + "/lock"
            let file = try OpenFile(path, .createNew)
            #expect(try file.lockHolder() == nil)
            try withLoop { loop in
                let configuration = try ChildProcess.Configuration(
                    executable: siblingExecutable("uvloop-test-helper"), arguments: ["hold-lock", path, mode],
                    stdio: [.pipe, .pipe, .descriptor(2)])
                var hasEnded = false
                let child = try ChildProcess(configuration, on: loop) { _, _ in hasEnded = true }
                var output: [UInt8] = []
                try child.streams[1]?.readStart(
                    onBytes: { _, bytes in bytes.withUnsafeBytes { output.append(contentsOf: $0) } },
                    onEnd: { stream, _ in stream.close() },
                )
                try run(loop) { output.last == UInt8(ascii: "\n") }
                #expect(String(decoding: output, as: UTF8.self) == "locked\n")
                #expect(try !file.lockForProcess())
                #expect(try !file.lockForDescription())
                #expect(try file.lockHolder() == (mode == "process" ? .process(child.pid) : .description))
                #expect(try OpenFile(path, .readOnly).lockHolder() != nil)
                #expect(try file.exclusiveLockHolder() == file.lockHolder())
                try child.kill(.kill)
                try run(loop) { hasEnded }
                child.streams[0]?.close()
            }
            #expect(try file.lockHolder() == nil)
            #expect(try mode == "process" ? file.lockForProcess() : file.lockForDescription())
        }
    }

    @Test("that others may share is no exclusive one") func shared() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/lock"
            try OpenFile(path, .createNew).close()
            let file = try OpenFile(path, .readOnly)
            try withLoop { loop in
                let configuration = try ChildProcess.Configuration(
                    executable: siblingExecutable("uvloop-test-helper"), arguments: ["hold-lock", path, "shared"],
                    stdio: [.pipe, .pipe, .descriptor(2)])
                let child = try ChildProcess(configuration, on: loop) { _, _ in }
                var output: [UInt8] = []
                try child.streams[1]?.readStart(
                    onBytes: { _, bytes in bytes.withUnsafeBytes { output.append(contentsOf: $0) } },
                    onEnd: { stream, _ in stream.close() },
                )
                try run(loop) { output.last == UInt8(ascii: "\n") }
                #expect(try file.lockHolder() == .process(child.pid))
                #expect(try file.exclusiveLockHolder() == nil)
                child.streams[0]?.close()
            }
        }
    }

    @Test("of a description excludes others of this process, until it is closed") func sameProcess() throws {
        try withTemporaryDirectory { directory in
            let first = try OpenFile(directory + "/lock", .createNew)
            let second = try OpenFile(directory + "/lock", .readWrite)
            #expect(try first.lockForDescription())
            #expect(try first.lockForDescription())
            #expect(try !second.lockForDescription())
            #expect(try second.lockHolder() == .description)
            first.close()
            // A child that another test starts has a copy of the description until its exec.
            try withLoop { loop in try run(loop) { try second.lockForDescription() } }
            #expect(try second.lockForDescription())
        }
    }
}
