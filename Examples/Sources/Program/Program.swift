public import UVLoop

/// The common part of the examples: a usage text, and an exit status that scripts can use.
public struct Program: Sendable {
    private let usage: String
    /// The second word of the usage.
    private let name: String

    /// - Parameter usage: begins with `usage: NAME`.
    public init(_ usage: String) {
        self.usage = usage
        // Files opened later must not get the numbers of the standard streams.
        StandardStreams.openMissing()
        // A write that nobody reads fails with an error instead of ending the program.
        do { try Signal.brokenPipe.ignore() } catch { StandardStreams.writeError("SIGPIPE: \(error)\n") }
        name = usage.split(whereSeparator: \.isWhitespace).dropFirst().first.map(String.init) ?? ""
    }

    /// The words of the command line. `--help` or `-h` alone prints the usage and ends the program.
    public var arguments: [String] {
        let arguments = Array(ProgramArguments.current.dropFirst())
        guard arguments == ["--help"] || arguments == ["-h"] else { return arguments }
        say(usage)
        CurrentProcess.exit(0)
    }

    /// The address of `[--host HOST] PORT`; HOST is 127.0.0.1 if missing.
    public var address: SocketAddress {
        var (host, words) = ("127.0.0.1", arguments[...])
        if words.first == "--host", words.count > 1 {
            host = words[1]
            words = words.dropFirst(2)
        }
        guard words.count == 1, let port = Int(words.first!), (0...65535).contains(port) else { wrongUsage() }
        do throws(UVError) { return try SocketAddress(ip: host, port: port) } catch {
            fail("\(host) is no IP address")
        }
    }

    /// Prints a line; an output that is closed is ignored.
    public func say(_ text: String) { try? Descriptors.write(Array("\(text)\n".utf8), to: 1) }

    /// Writes bytes to standard output, and waits for its reader; ends the program if that fails.
    public func write(_ bytes: some Sequence<UInt8>) {
        do { try Descriptors.write(Array(bytes), to: 1) } catch { fail("standard output: \(error)") }
    }

    /// Prints a line on standard error.
    public func note(_ text: String) { StandardStreams.writeError("\(name): \(text)\n") }

    /// Ends the program with status 1, at once: a thread may still wait for standard input, or for a name service.
    public func fail(_ reason: String) -> Never {
        note(reason)
        CurrentProcess.exitAtOnce(1)
    }

    /// Ends the program with status 64.
    public func wrongUsage() -> Never {
        StandardStreams.writeError("\(usage)\n")
        CurrentProcess.exit(64)
    }
}
