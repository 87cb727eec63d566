import Program
import UVLoop

/// A connection for people and scripts, like `nc`: standard input goes to the host, and the host's bytes go to standard
/// output.
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
        var (isFull, hasEnded, leaving) = (false, false, nil as TimerHandle?)
        // A host that has finished still gets the input read so far. The program then ends at once: a thread may wait
        // for more input.
        func leave() {
            leaving?.close()
            guard hasEnded, !isFull else { return }
            if stream.isShutDown { return stream.shutdown { _ in CurrentProcess.exitAtOnce(0) } }
            leaving = stream.loop.after(.milliseconds(100)) {
                if stream.queuedByteCount == 0 { CurrentProcess.exitAtOnce(0) }
            }
        }
        stream.onWriteError = { _, error in program.fail("the connection broke: \(error)") }
        let end = { (error: UVError?) in
            if let error { program.fail("the connection broke: \(error)") }
            hasEnded = true
            leave()
        }
        // The output's reader may be slow; no more is read meanwhile.
        let show = { (bytes: RawSpan) in program.write(bytes.withUnsafeBytes(Array.init)) }
        do { try stream.readStart(onBytes: { show($1) }, onEnd: { end($1) }) } catch { end(.notConnected) }
        // Standard input is read on a thread: it may be a file, which a loop cannot watch, or a terminal that others
        // use.
        func sendMore() {
            do throws(UVError) {
                try stream.loop.queueWork({ try? Descriptors.read(from: 0) }) { bytes in
                    guard let bytes else { program.fail("cannot read standard input") }
                    if bytes.isEmpty { stream.shutdown() } else { isFull = !stream.write(bytes) }
                    if !bytes.isEmpty, !isFull { sendMore() }
                    leave()
                }
            } catch { program.fail("cannot read standard input: \(error)") }
        }
        stream.onDrain = { _ in
            if isFull { sendMore() }
            isFull = false
            leave()
        }
        sendMore()
    }
}
