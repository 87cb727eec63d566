import TestSupport
import Testing
import UVLoop

/// A scenario of `uvloop-test-helper` that talks with the test: the lines it has printed so far, and its end.
final class Helper {
    private let process: ChildProcess
    private var output = ""
    private(set) var status: ProcessExit?

    init(_ scenario: String, on loop: Loop) throws {
        var end: (ProcessExit) -> Void = { _ in }
        process = try ChildProcess(
            .init(
                executable: siblingExecutable("uvloop-test-helper"), arguments: [scenario],
                stdio: [.pipe, .pipe, .descriptor(2)]), on: loop
        ) { end($1) }
        process.killWhenCanceled()
        end = { [unowned self] in status = $0 }
        try process.streams[1]?.readStart(
            onBytes: { [unowned self] _, bytes in
                bytes.withUnsafeBytes { output += String(decoding: $0, as: UTF8.self) }
            },
            onEnd: { stream, _ in stream.close() })
    }

    /// The complete lines of its output.
    var lines: [Substring] { output.split(separator: "\n", omittingEmptySubsequences: false).dropLast() }

    var input: PipeStream { process.streams[0]! }
}
