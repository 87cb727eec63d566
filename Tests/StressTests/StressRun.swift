import TestSupport
import Testing
import UVKeeper

/// One run of `uvkeeper-stress`: what it said, how it ended.
struct StressRun {
    var code: Int32?
    var output = ""

    /// Runs it to its end; its progress is left out.
    init(_ arguments: String..., quiet: Bool = true) throws {
        let configuration = ChildProcess.Configuration(
            executable: BuiltProducts.executable("uvkeeper-stress"), arguments: arguments + (quiet ? ["--quiet"] : []),
            stdio: [.ignore, .pipe, .pipe])
        final class Collected {
            var code: Int32?
            var bytes: [UInt8] = []
        }
        let collected = Collected()
        try withLoop { loop in
            let child = try ChildProcess(configuration, on: loop) { _, status in
                if case .exited(let code) = status { collected.code = code }
            }
            for stream in child.streams.compactMap({ $0 }) {
                try stream.readStart(
                    onBytes: { _, bytes in bytes.withUnsafeBytes { collected.bytes += $0 } },
                    onEnd: { stream, _ in stream.close() })
            }
        }
        code = collected.code
        output = String(decoding: collected.bytes, as: UTF8.self)
    }
}
