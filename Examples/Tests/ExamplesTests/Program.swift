import TestSupport
import Testing
import UVLoop

/// An example that runs, with what it has printed so far.
final class RunningExample {
    let process: ChildProcess
    private(set) var output: [UInt8] = []
    private(set) var errors = ""
    private(set) var status: ProcessExit?
    private let loop: Loop

    /// - Parameter input: of the program; nil: a pipe, ``input``.
    convenience init(
        _ name: String, _ arguments: [String], input: ChildProcess.Stdio = .pipe, on loop: Loop,
    ) throws {
        try self.init(executable: BuiltProducts.executable(name), arguments, input: input, on: loop)
    }

    /// A program of another package or language.
    init(executable: String, _ arguments: [String], input: ChildProcess.Stdio = .pipe, on loop: Loop) throws {
        self.loop = loop
        var end: (ProcessExit) -> Void = { _ in }
        process = try ChildProcess(
            .init(executable: executable, arguments: arguments, stdio: [input, .pipe, .pipe]), on: loop
        ) { end($1) }
        end = { [unowned self] in status = $0 }
        process.killWhenCanceled()
        try process.streams[1]?.readStart(
            onBytes: { [unowned self] _, bytes in bytes.withUnsafeBytes { output += $0 } },
            onEnd: { stream, _ in stream.close() })
        try process.streams[2]?.readStart(
            onBytes: { [unowned self] _, bytes in
                bytes.withUnsafeBytes { errors += String(decoding: $0, as: UTF8.self) }
            },
            onEnd: { stream, _ in stream.close() })
    }

    var text: String { String(decoding: output, as: UTF8.self) }
    var input: PipeStream { process.streams[0]! }

    func type(_ text: String) { input.write(text) }

    /// Waits until it has ended and has printed everything.
    func runToEnd() throws -> ProcessExit? {
        try run(loop) { status != nil && process.streams.dropFirst().allSatisfy { $0?.isClosing ?? true } }
        process.streams[0]?.close()
        process.close()
        return status
    }

    /// Ends it by a signal.
    func end(by signal: Signal = .terminate) throws -> ProcessExit? {
        try process.kill(signal)
        return try runToEnd()
    }

    /// The port of a server, from its first line.
    func port() throws -> Int {
        try run(loop) { output.contains(10) || status != nil }
        let words = text.prefix { $0 != "\n" }.split(separator: " ")
        try #require(words.count == 4 && words[0] == "listening" && words[1] == "on", "\(text)\(errors)")
        return try #require(Int(words[3]))
    }
}
