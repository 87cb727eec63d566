import UVKeeper

/// The child's output at a stand-in's channel: all of it in memory, for those who read; now and then a chunk is harmed.
final class FaultyOutput {
    /// What is done to one chunk in ``interval``, or at the end.
    enum Kind: String {
        case none
        /// Its bytes are not sent, and nothing says so.
        case loseChunk = "lose-chunk"
        /// It is sent as what comes a byte later.
        case wrongOffset = "wrong-offset"
        case repeatChunk = "repeat-chunk"
        /// A gap is told in its place.
        case falseGap = "false-gap"
        /// The record says that a byte more was kept.
        case wrongEnd = "wrong-end"
    }

    private final class Reader {
        let stream: PipeStream
        /// By stream; empty when it has everything.
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

    /// The client has gone.
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

    /// The child has ended: waits for the rest of its output.
    func finish(_ completion: @escaping () -> Void) {
        onFinished = completion
        finishIfEnded()
    }

    private func finishIfEnded() {
        if openStreams == 0 { onFinished.take()?() }
    }

    /// What was kept, as a record has it.
    var ranges: String {
        let end = output[0].count + (kind == .wrongEnd ? 1 : 0)
        return "{\"out\":{\"start\":0,\"end\":\(end)},\"err\":{\"start\":0,\"end\":\(output[1].count)},\"held\":false}"
    }

    /// Tells those who follow; `completion` runs when all have it.
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
