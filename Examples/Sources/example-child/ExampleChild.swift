import UVKeeper

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#elseif canImport(Glibc)
import Glibc
#endif

/// A child as a keeper drives it: one JSON-RPC message per line on stdin, one answer per request on stdout.
///
/// Every line is first appended to a file exactly as it came, so that nothing about it can be lost unnoticed. It ends when
/// stdin does.
@main
enum ExampleChild {
    static func main() {
        guard CommandLine.arguments.count == 2 else { fail("usage: example-child RECEIVED_FILE") }
        do {
            let file = try OpenFile(CommandLine.arguments[1], .append)
            let loop = try Loop()
            var framer = LineFramer(maximumLineLength: KeeperConstants.defaultMaximumLineLength)
            // The loop of libuv is of use to a child as well; a plain read would do.
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

    /// Takes whole lines, of which the framer lends as many as it has.
    private static func receive(_ lines: RawSpan, _ file: OpenFile) {
        let bytes = lines.withUnsafeBytes { Array($0) }
        do { try file.write(bytes) } catch { fail("\(error)") }
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            for id in RequestScanner.requestIDs(in: line) {
                print(#"{"jsonrpc":"2.0","id":\#(id),"result":{"received":\#(line.count)}}"#)
            }
        }
        // stdout is a file or a pipe, so it is buffered; nothing may be missing when the child is killed.
        fflush(nil)
    }

    private static func fail(_ message: String) -> Never {
        StandardStreams.writeError("example-child: \(message)\n")
        CurrentProcess.exit(1)
    }
}
