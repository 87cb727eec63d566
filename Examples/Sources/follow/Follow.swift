import Program
import UVLoop

/// What is added to a file, as it is added: `tail -n 0 -F`.
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
        // A reader of the output that ends is an error of the write instead.
        try Signal.brokenPipe.ignore()
        let loop = try Loop()
        do {
            let tail = FileTail(path, on: loop)
            try tail.start(
                from: .end,
                onBytes: { _, bytes in
                    // Whoever reads the output may take its time: nothing more is read meanwhile.
                    do { try Descriptors.write(bytes.withUnsafeBytes(Array.init), to: 1) } catch { loop.closeHandles() }
                },
                onEvent: { _, event in
                    if let text = text(of: event) { program.note("\(path) \(text)") }
                })
            for signal in [Signal.interrupt, .terminate] {
                try SignalHandle(on: loop).start(signal) { _, _ in loop.closeHandles() }
            }
        } catch {
            program.fail("\(path): \(error)")
        }
        loop.run()
        try loop.close()
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
