import UVKeeper

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#elseif canImport(Glibc)
import Glibc
#endif

/// A child for a keeper: reads one JSON-RPC message per line from stdin, and writes one answer per request to stdout.
///
/// Each line is first appended to a file exactly as it came, so that no loss goes unnoticed. The child ends when stdin
/// ends.
@main
enum ExampleChild {
    static func main() {
        guard CommandLine.arguments.count == 2 else { fail("usage: example-child RECEIVED_FILE") }
        do {
            let file = try OpenFile(CommandLine.arguments[1], .append)
            let loop = try Loop()
            var framer = LineFramer(maximumLineLength: KeeperConstants.defaultMaximumLineLength)
            // The loop serves a child as well; a plain read would do.
            let input = try PipeStream(takingOwnershipOf: 0, on: loop)
            try input.readStart { _, bytes in
                guard framer.append(bytes, emit: { receive($0, file) }) else { fail("the line is too long") }
            } onEnd: { input, error in
                if let error { fail("\(error)") }
                framer.finish { receive($0, file) }
                input.close()
            }
            loop.run()
            try loop.close()
        } catch {
            fail("\(error)")
        }
    }

    /// Handles whole lines, one or more in each call.
    private static func receive(_ lines: RawSpan, _ file: OpenFile) {
        let bytes = lines.withUnsafeBytes { Array($0) }
        do { try file.write(bytes) } catch { fail("\(error)") }
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            for id in RequestScanner.requestIDs(in: line) {
                print(#"{"jsonrpc":"2.0","id":\#(id),"result":{"received":\#(line.count)}}"#)
            }
        }
        // stdout may be a file or a pipe, and so is buffered; the flush makes sure that no answer is missing if the
        // child is killed.
        fflush(nil)
    }

    private static func fail(_ message: String) -> Never {
        StandardStreams.writeError("example-child: \(message)\n")
        CurrentProcess.exit(1)
    }
}
