import UVKeeper

/// A connection to the example server: sends all lines as fast as the server takes them, and reads an answer to each.
final class Exchange {
    /// The longest time without a byte from the server.
    private static let silenceLimit = Duration.seconds(10)
    /// The number of answers other than "written" that are shown; further ones mostly say the same.
    private static let shownReplies = 3

    let lineCount: Int
    private(set) var writtenCount = 0
    private var otherCount = 0
    private var unsent: ArraySlice<ArraySlice<UInt8>>
    private let timer: TimerHandle
    private var framer = LineFramer(maximumLineLength: 65_536)

    init(_ lines: [ArraySlice<UInt8>], with socketPath: String, on loop: Loop) throws {
        lineCount = lines.count
        unsent = lines[...]
        timer = TimerHandle(on: loop)
        _ = try PipeStream(connectingTo: socketPath, on: loop) { stream, error in
            if let error { ExampleClient.fail("cannot connect to \(socketPath): \(error)") }
            self.connected(stream)
        }
        restartTimer()
    }

    private func connected(_ stream: PipeStream) {
        stream.onDrain = { self.send(to: $0) }
        stream.onWriteError = { _, error in ExampleClient.fail("cannot send: \(error)") }
        do {
            try stream.readStart(
                onBytes: { _, bytes in self.received(bytes) },
                onEnd: { stream, error in
                    if let error { ExampleClient.fail("cannot read: \(error)") }
                    stream.close()
                    self.timer.close()
                },
            )
        } catch {
            ExampleClient.fail("cannot read: \(error)")
        }
        send(to: stream)
    }

    private func send(to stream: Stream) {
        while let line = unsent.popFirst() {
            guard stream.write(line + [UInt8(ascii: "\n")]) || unsent.isEmpty else { return }
        }
        // `onDrain` is called once more, after the last lines.
        stream.onDrain = nil
        stream.shutdown()
    }

    private func received(_ bytes: RawSpan) {
        restartTimer()
        let isAccepted = framer.appendByLine(bytes) { line in
            let reply = line.withUnsafeBytes { String(decoding: $0.dropLast(), as: UTF8.self) }
            if reply.hasSuffix(#","outcome":"written"}"#) {
                writtenCount += 1
            } else if !reply.isEmpty {
                otherCount += 1
                if otherCount <= Exchange.shownReplies { print(reply) }
            }
        }
        if !isAccepted { ExampleClient.fail("the answer is too long") }
    }

    private func restartTimer() {
        timer.start(after: Exchange.silenceLimit) { _ in
            ExampleClient.fail("no answer for \(Exchange.silenceLimit)")
        }
    }
}
