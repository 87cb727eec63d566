public import UVLoop

/// What the examples have in common: they explain themselves, and end with a status that scripts can use.
public struct Program: Sendable {
    private let usage: String
    /// The second word of the usage.
    private let name: String

    /// - Parameter usage: begins with `usage: NAME`.
    public init(_ usage: String) {
        self.usage = usage
        // What is opened later must not take their place.
        StandardStreams.openMissing()
        // Nobody who reads the output is an error of the write instead.
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

    /// The address that `[--host HOST] PORT` means: 127.0.0.1 unless said.
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

    /// Prints a line. Nobody has to read it.
    public func say(_ text: String) { try? Descriptors.write(Array("\(text)\n".utf8), to: 1) }

    /// Writes bytes to standard output, and waits for whoever reads it; the program fails with it.
    public func write(_ bytes: some Sequence<UInt8>) {
        do { try Descriptors.write(Array(bytes), to: 1) } catch { fail("standard output: \(error)") }
    }

    /// Prints a line on standard error.
    public func note(_ text: String) { StandardStreams.writeError("\(name): \(text)\n") }

    /// Ends the program with status 1. At once: a thread may still wait for standard input, or for a name service.
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
