import TestSupport
import Testing
import UVLoop

/// A program from elsewhere that talks with the test: what it has printed so far, and how it has ended.
final class Script {
    private let process: ChildProcess
    private(set) var output: [UInt8] = []
    private(set) var status: ProcessExit?
    private let loop: Loop

    init(_ executable: String, _ arguments: [String], on loop: Loop) throws {
        self.loop = loop
        var end: (ProcessExit) -> Void = { _ in }
        process = try ChildProcess(
            .init(executable: executable, arguments: arguments, stdio: [.ignore, .pipe, .descriptor(2)]), on: loop
        ) { end($1) }
        process.killWhenCanceled()
        end = { [unowned self] in status = $0 }
        try process.streams[1]?.readStart(
            onBytes: { [unowned self] _, bytes in bytes.withUnsafeBytes { output += $0 } },
            onEnd: { stream, _ in stream.close() })
    }

    var text: String { String(decoding: output, as: UTF8.self) }

    /// It has ended, and everything that it has printed is here.
    var hasEnded: Bool { status != nil && process.streams[1]?.isClosing ?? true }

    /// The number in its first line.
    func port() throws -> Int {
        try run(loop) { output.contains(10) || hasEnded }
        return try #require(Int(text.prefix { $0 != "\n" }), "\(text)")
    }

    /// Waits for the end of a program that judges by itself.
    func expectSuccess(sourceLocation: SourceLocation = #_sourceLocation) throws {
        try run(loop) { hasEnded }
        #expect(status == .exited(code: 0), "\(text)", sourceLocation: sourceLocation)
    }

    func kill() throws {
        if status == nil { try process.kill(.kill) }
        try run(loop) { hasEnded }
    }
}

/// Programs that tests talk with, where they are installed.
enum Tool {
    static func isInstalled(_ name: String) -> Bool {
        (try? runProgram("/bin/sh", ["-c", "command -v \(name)"]).status) == .exited(code: 0)
    }
}
