import UVKeeper

/// The child's output at a stand-in's channel: all of it in memory, for its readers; now and then a chunk is harmed.
final class FaultyOutput {
    /// The harm done to one chunk in ``interval``, or at the end.
    enum Kind: String {
        case none
        /// The bytes of a chunk are not sent, and no message tells it.
        case loseChunk = "lose-chunk"
        /// A chunk is sent with the next byte's offset.
        case wrongOffset = "wrong-offset"
        case repeatChunk = "repeat-chunk"
        /// A gap is reported instead of a chunk.
        case falseGap = "false-gap"
        /// The record counts a byte too much.
        case wrongEnd = "wrong-end"
    }

    private final class Reader {
        let stream: PipeStream
        /// The offsets by stream; empty when the reader has all bytes.
        var offsets: [Int] = []
        let follows: Bool

        init(_ stream: PipeStream, follows: Bool) {
            self.stream = stream
            self.follows = follows
        }
    }

    private static let interval = 20
    private static let chunkByteCount = 65536

    private let kind: Kind
    private var output: [[UInt8]] = [[], []]
    private var readers: [Reader] = []
    private var chunks = 0
    private var openStreams = 0
    private var onFinished: (() -> Void)?

    /// Reads what the child writes.
    init(_ kind: Kind, of child: ChildProcess) throws(UVError) {
        self.kind = kind
        for number in 0..<2 {
            openStreams += 1
            try child.streams[number + 1]?.readStart(
                onBytes: { [unowned self] _, bytes in
                    bytes.withUnsafeBytes { output[number] += $0 }
                    for reader in readers { serve(reader) }
                },
                onEnd: { [unowned self] stream, _ in
                    stream.close()
                    openStreams -= 1
                    finishIfEnded()
                })
        }
    }

    // MARK: Reads

    /// Answers a request to read.
    func begin(_ request: String, on stream: PipeStream) {
        let reader = Reader(stream, follows: request.contains("\"follow\":true"))
        readers.append(reader)
        reader.offsets = output.indices.map { number in
            let end = output[number].count
            if request.contains("\"from\":\"start\"") { return 0 }
            if let last = FaultyOutput.number("last", in: request) { return end - min(last, end) }
            return FaultyOutput.number(number == 0 ? "out" : "err", in: request).map { min($0, end) } ?? end
        }
        let places = reader.offsets.enumerated().map { number, offset in
            "\"\(number == 0 ? "out" : "err")\":{\"from\":\(offset),\"start\":0,\"end\":\(output[number].count)}"
        }
        reader.stream.write("reading {\(places.joined(separator: ","))}\n")
        serve(reader)
    }

    /// Forgets the reader of a client that has gone.
    func forget(_ stream: PipeStream) { readers.removeAll { $0.stream === stream } }

    private static func number(_ name: String, in text: String) -> Int? {
        text.firstRange(of: "\"\(name)\":").flatMap { Int(text[$0.upperBound...].prefix(while: \.isNumber)) }
    }

    private func serve(_ reader: Reader) {
        guard !reader.offsets.isEmpty, !reader.stream.isClosing else { return }
        for number in output.indices {
            while reader.offsets[number] < output[number].count { send(reader, number) }
        }
        guard !reader.follows else { return }
        reader.stream.write("end {\"out\":\(reader.offsets[0]),\"err\":\(reader.offsets[1])}\n")
        reader.offsets = []
    }

    private func send(_ reader: Reader, _ number: Int) {
        let offset = reader.offsets[number]
        let bytes = output[number][offset...].prefix(FaultyOutput.chunkByteCount)
        reader.offsets[number] += bytes.count
        let name = number == 0 ? "out" : "err"
        chunks += 1
        let kind = chunks % FaultyOutput.interval == FaultyOutput.interval / 2 ? kind : .none
        let chunk = Array("\(name) \(kind == .wrongOffset ? offset + 1 : offset) \(bytes.count)\n".utf8) + bytes
        switch kind {
        case .loseChunk: break
        case .falseGap: reader.stream.write(Array("gap \(name) \(offset) \(offset + bytes.count)\n".utf8))
        case .repeatChunk: reader.stream.write(chunk + chunk)
        case .none, .wrongOffset, .wrongEnd: reader.stream.write(chunk)
        }
    }

    // MARK: The end

    /// Waits for the rest of the output of a child that has ended.
    func finish(_ completion: @escaping () -> Void) {
        onFinished = completion
        finishIfEnded()
    }

    private func finishIfEnded() {
        if openStreams == 0 { onFinished.take()?() }
    }

    /// The ranges of the kept output, in the form of a record.
    var ranges: String {
        let end = output[0].count + (kind == .wrongEnd ? 1 : 0)
        return "{\"out\":{\"start\":0,\"end\":\(end)},\"err\":{\"start\":0,\"end\":\(output[1].count)},\"held\":false}"
    }

    /// Tells the followers of the exit; `completion` runs when all have it.
    func tell(exit: String, _ completion: @escaping () -> Void) {
        let followers = readers.filter { !$0.offsets.isEmpty && !$0.stream.isClosing }
        var left = followers.count
        guard left > 0 else { return completion() }
        for reader in followers {
            reader.stream.write("exit \(exit)\n") { _ in
                left -= 1
                if left == 0 { completion() }
            }
        }
    }
}
