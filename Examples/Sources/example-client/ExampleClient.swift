import UVKeeper

/// Sends some lines of a file to the example server and reads its answer to each.
@main
enum ExampleClient {
    static let usage = """
        usage: example-client SOCKET FILE FIRST LAST

        Sends the lines FIRST to LAST of FILE, counted from 1, and fails unless the answer to every one is "written".

        """

    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count == 5, let first = Int(arguments[3]), let last = Int(arguments[4]), 1 <= first,
            first <= last
        else { fail(usage) }
        do {
            let lines = try Files.read(arguments[2], limit: 67_108_864)
                .split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
            guard last <= lines.count else { fail("\(arguments[2]) has \(lines.count) lines") }
            let loop = try Loop()
            let exchange = try Exchange(Array(lines[(first - 1)..<last]), with: arguments[1], on: loop)
            loop.run()
            try loop.close()
            print("\(exchange.lineCount) lines sent, \(exchange.writtenCount) written")
            if exchange.writtenCount != exchange.lineCount { CurrentProcess.exit(1) }
        } catch {
            fail("\(error)")
        }
    }

    static func fail(_ message: String) -> Never {
        StandardStreams.writeError("example-client: \(message)\n")
        CurrentProcess.exit(1)
    }
}
