import Program
import UVLoop

/// A connection for people and scripts, as `nc`: standard input goes to the host, and what it sends to standard output.
@main struct Connect {
    static let program = Program(
        """
        usage: connect [--verbose] HOST PORT

        Connects to the first address of HOST that answers (IPv6 and IPv4 take turns, 250 ms apart). Then standard
        input goes to the host, and its bytes to standard output; at the end of input the host is told so, and may
        still answer.

          --verbose   tell each look-up and each attempt on standard error

        exit status: 0 the host has finished, 1 no connection, or it broke, 64 wrong usage
        """)

    static func main() throws {
        var arguments = program.arguments[...]
        let isVerbose = arguments.first == "--verbose"
        if isVerbose { arguments = arguments.dropFirst() }
        guard arguments.count == 2, let host = arguments.first, let port = Int(arguments.last!),
            (1...65535).contains(port)
        else { program.wrongUsage() }
        let loop = try Loop()
        let tell = { (event: TCPConnect.Event) in program.note("\(event)") }
        do {
            try TCPConnect(toHost: host, port: port, on: loop, onEvent: isVerbose ? tell : nil) { result in
                switch result {
                case .success(let stream): exchange(with: stream)
                case .failure(let error): program.fail("\(host) port \(port): \(error)")
                }
            }
        } catch {
            program.fail("\(host) port \(port): \(error)")
        }
        loop.run()
    }

    static func exchange(with stream: TCPStream) {
        stream.onWriteError = { _, error in program.fail("the connection broke: \(error)") }
        do {
            try stream.readStart(
                // Whoever reads the output may take its time: nothing more is read meanwhile.
                onBytes: { _, bytes in program.write(bytes.withUnsafeBytes(Array.init)) },
                // At once: a thread may still wait for standard input.
                onEnd: { _, error in
                    if let error { program.fail("the connection broke: \(error)") }
                    CurrentProcess.exitAtOnce(0)
                })
        } catch {
            program.fail("\(error)")
        }
        var isFull = false
        // Reads on a thread: standard input may be a file, which a loop cannot watch, or a terminal that others use.
        func sendMore() {
            do throws(UVError) {
                try stream.loop.queueWork({ () -> Result<[UInt8], UVError> in
                    Result { () throws(UVError) in try Descriptors.read(from: 0) }
                }) { result in
                    guard !stream.isClosing else { return }
                    guard let bytes = try? result.get() else { program.fail("cannot read standard input") }
                    if bytes.isEmpty { return stream.shutdown() }
                    isFull = !stream.write(bytes)
                    if !isFull { sendMore() }
                }
            } catch {
                program.fail("cannot read standard input: \(error)")
            }
        }
        stream.onDrain = { _ in
            guard isFull else { return }
            isFull = false
            sendMore()
        }
        sendMore()
    }
}
