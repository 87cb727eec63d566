import Program
import UVLoop

/// Prints the bytes added to a file as they are added, like `tail -n 0 -F`.
@main struct Follow {
    static let program = Program(
        """
        usage: follow FILE

        Prints what is added to FILE from now on, also when it is cut, replaced by another file or missing for a while,
        which is told on standard error. SIGINT and SIGTERM end it.

        exit status: 0 ended by a signal, or nobody reads the output any more, 1 FILE cannot be followed, 64 wrong usage
        """)

    static func main() throws {
        let arguments = program.arguments
        guard arguments.count == 1, let path = arguments.first, !path.isEmpty else { program.wrongUsage() }
        let loop = try Loop()
        do {
            let tail = FileTail(path, on: loop)
            try tail.start(
                from: .end,
                onBytes: { tail, bytes in
                    tail.pause()
                    write(bytes.withUnsafeBytes(Array.init), on: loop) { tail.resume() }
                },
                onEvent: { _, event in
                    if let text = text(of: event) { program.note("\(path) \(text)") }
                })
            for signal in [Signal.interrupt, .terminate] {
                // The program ends at once: a thread may still wait for the output's reader.
                try SignalHandle(on: loop).start(signal) { _, _ in CurrentProcess.exitAtOnce(0) }
            }
        } catch {
            program.fail("\(path): \(error)")
        }
        loop.run()
        try loop.close()
    }

    /// Writes on a thread: the output's reader may be slow; no more is read meanwhile, but signals are handled.
    static func write(_ bytes: [UInt8], on loop: Loop, _ completion: @escaping () -> Void) {
        do throws(UVError) {
            try loop.queueWork({ () -> UVError? in
                do throws(UVError) { try Descriptors.write(bytes, to: 1) } catch { return error }
                return nil
            }) { error in
                switch error {
                case nil: completion()
                case .brokenPipe?: CurrentProcess.exitAtOnce(0)
                case let error?: program.fail("standard output: \(error)")
                }
            }
        } catch {
            program.fail("standard output: \(error)")
        }
    }

    static func text(of event: FileTail.Event) -> String? {
        switch event {
        case .opened: nil
        case .cut: "was cut"
        case .missing: "is missing"
        case .unusable(let error): "cannot be read: \(error)"
        case .polling(let reason): "is looked at from time to time: \(reason)"
        }
    }
}
