import UVKeeper

/// The connection of one client: lines in, one answer for each out.
///
/// Both directions are bounded: while too many of the client's lines are under way, or it does not read its answers, no
/// more is read from it, and in the end its own writes stop.
final class ServerClient {
    /// The numbers of lines under way at which reading pauses and continues. A read, of 64 KiB at most, may overshoot
    /// the first.
    private static let linesUnderWay = (most: 256, few: 64)
    /// The longest line taken: larger than this example needs, but still a bound on a client's memory.
    private static let maximumLineLength = 1_048_576

    private let stream: PipeStream
    private let session: SessionID
    private let keepers: KeeperManager
    private let onEnd: (ServerClient) -> Void
    private var framer = LineFramer(maximumLineLength: ServerClient.maximumLineLength)
    private var lineCount = 0
    private var underWay = 0
    private var isReading = false
    /// True if no more lines come from this client.
    private var isFinished = false

    init(
        _ stream: PipeStream,
        of session: SessionID,
        _ keepers: KeeperManager,
        onEnd: @escaping (ServerClient) -> Void,
    ) {
        self.stream = stream
        self.session = session
        self.keepers = keepers
        self.onEnd = onEnd
    }

    func start() {
        stream.onDrain = { _ in self.regulate() }
        stream.onWriteError = { _, _ in self.close() }
        do {
            try stream.readStart(
                onBytes: { _, bytes in self.received(bytes) },
                onEnd: { _, error in self.ended(error) },
            )
            isReading = true
        } catch {
            close()
        }
    }

    /// Takes no more lines, and closes once all have their answers.
    func finish() {
        guard !isFinished, !stream.isClosing else { return }
        isFinished = true
        stream.readStop()
        closeWhenAnswered()
    }

    /// Closes at once; the lines under way end without an answer.
    func close() {
        guard !stream.isClosing else { return }
        stream.close()
        onEnd(self)
    }

    private func received(_ bytes: RawSpan) {
        guard framer.appendByLine(bytes, emit: { write($0) }) else {
            reply(lineCount + 1, "refused", "the line has more than \(ServerClient.maximumLineLength) bytes")
            return finish()
        }
        regulate()
    }

    private func ended(_ error: UVError?) {
        guard error == nil else { return close() }
        framer.finish { write($0) }
        finish()
    }

    /// Writes one line, without its newline, which the keeper's connection adds.
    private func write(_ line: RawSpan) { write(line.withUnsafeBytes { Array($0.dropLast()) }) }

    private func write(_ line: [UInt8]) {
        lineCount += 1
        underWay += 1
        let number = lineCount
        keepers.writeRPC(line, to: session) { outcome in
            self.underWay -= 1
            switch outcome {
            case .written, .sent: self.reply(number, "written", nil)
            case .refused(let error): self.reply(number, "refused", "\(error)")
            case .unknown(let error): self.reply(number, "unknown", "\(error)")
            }
            self.regulate()
            self.closeWhenAnswered()
        }
    }

    private func reply(_ line: Int, _ outcome: String, _ reason: String?) {
        guard !stream.isClosing else { return }
        let reason = reason.map { ",\"reason\":\(ServerClient.quoted($0))" } ?? ""
        stream.write(Array("{\"line\":\(line),\"outcome\":\"\(outcome)\"\(reason)}\n".utf8))
    }

    /// The text as a JSON string.
    private static func quoted(_ text: String) -> String {
        let escaped = text.unicodeScalars.map { scalar in
            switch scalar {
            case "\"", "\\": return "\\\(scalar)"
            case "\u{0}"..."\u{1F}":
                let hex = String(scalar.value, radix: 16)
                return "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: return "\(scalar)"
            }
        }
        return "\"\(escaped.joined())\""
    }

    private func regulate() {
        guard !isFinished, !stream.isClosing else { return }
        let isFull = stream.queuedByteCount >= stream.highWaterMark
        if isReading, isFull || underWay >= ServerClient.linesUnderWay.most {
            isReading = false
            stream.readStop()
        } else if !isReading, !isFull, underWay <= ServerClient.linesUnderWay.few {
            isReading = true
            do { try stream.readResume() } catch { close() }
        }
    }

    private func closeWhenAnswered() {
        guard isFinished, underWay == 0, !stream.isClosing else { return }
        stream.shutdown { _ in self.close() }
    }
}
