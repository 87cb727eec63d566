import UVKeeper

/// The child's output at a stand-in's channel: all of it in memory, for those who read; now and then a chunk is harmed.
///
/// Of the protocol it has what a reader needs: `hello`, `read` and what follows from it, an empty `status`, and a record.
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
        var header: [UInt8] = []
        /// By stream; empty before it has asked.
        var offsets: [Int] = []
        var follows = false

        init(_ stream: PipeStream) { self.stream = stream }
    }

    private static let interval = 20
    private static let chunkByteCount = 65536

    private let kind: Kind
    private let session: SessionID
    private let paths: KeeperPaths
    private let epoch: String
    private var output: [[UInt8]] = [[], []]
    private var readers: [Reader] = []
    private var listener: PipeListener?
    private var chunks = 0
    private var openStreams = 0
    private var onFinished: (() -> Void)?

    init(_ kind: Kind, of session: SessionID, in paths: KeeperPaths, on loop: Loop) throws {
        self.kind = kind
        self.session = session
        self.paths = paths
        epoch = String(UInt64.random(in: 1 << 60 ... .max), radix: 16)
        try writeRecord(exit: "null")
        listener = try PipeListener(bindingTo: paths.channel(for: session), on: loop)
        try listener?.listen { [unowned self] _, accepted in
            if case .success(let stream) = accepted { try? greet(stream) }
        }
    }

    /// Reads what the child writes.
    func attach(_ child: ChildProcess) throws(UVError) {
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

    private func greet(_ stream: PipeStream) throws(UVError) {
        let reader = Reader(stream)
        readers.append(reader)
        stream.write(
            Array(
                ("hello {\"uvkeeper\":\"0\",\"protocol\":1,\"verbs\":[\"read\",\"status\"],\"session\":\"\(session)\","
                    + "\"epoch\":\"\(epoch)\",\"maxLine\":16777216,\"output\":null}\n").utf8))
        try stream.readStart(
            onBytes: { [unowned self] _, bytes in
                bytes.withUnsafeBytes { reader.header += $0 }
                guard let end = reader.header.firstIndex(of: 10) else { return }
                let header = String(decoding: reader.header[..<end], as: UTF8.self)
                reader.header.removeFirst(end + 1)
                if header.hasPrefix("read") { begin(reader, header) }
                if header == "status" { tellStatus(reader) }
            },
            onEnd: { [unowned self] stream, _ in
                stream.close()
                readers.removeAll { $0 === reader }
            })
    }

    private func begin(_ reader: Reader, _ request: String) {
        reader.follows = request.contains("\"follow\":true")
        reader.offsets = output.indices.map { number in
            let end = output[number].count
            if request.contains("\"from\":\"start\"") { return 0 }
            if let last = FaultyOutput.number("last", in: request) { return end - min(last, end) }
            return FaultyOutput.number(number == 0 ? "out" : "err", in: request).map { min($0, end) } ?? end
        }
        let places = reader.offsets.enumerated().map { number, offset in
            "\"\(number == 0 ? "out" : "err")\":{\"from\":\(offset),\"start\":0,\"end\":\(output[number].count)}"
        }
        reader.stream.write(Array("reading {\(places.joined(separator: ","))}\n".utf8))
        serve(reader)
    }

    private func tellStatus(_ reader: Reader) {
        let process = "{\"pid\":\(CurrentProcess.id),\"startedAt\":\"\"}"
        reader.stream.write(
            Array(
                ("status {\"session\":\"\(session)\",\"epoch\":\"\(epoch)\",\"state\":\"running\","
                    + "\"keeper\":\(process),\"child\":\(process)}\n").utf8))
    }

    private static func number(_ name: String, in text: String) -> Int? {
        text.firstRange(of: "\"\(name)\":").flatMap { Int(text[$0.upperBound...].prefix(while: \.isNumber)) }
    }

    private func serve(_ reader: Reader) {
        guard !reader.offsets.isEmpty else { return }
        for number in output.indices {
            while reader.offsets[number] < output[number].count { send(reader, number) }
        }
        guard !reader.follows else { return }
        reader.stream.write(Array("end {\"out\":\(reader.offsets[0]),\"err\":\(reader.offsets[1])}\n".utf8))
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

    /// The child has ended: waits for the rest of its output, tells everybody and removes the channel.
    func finish(_ completion: @escaping () -> Void) {
        onFinished = completion
        finishIfEnded()
    }

    private func finishIfEnded() {
        guard openStreams == 0, let completion = onFinished.take() else { return }
        let more = kind == .wrongEnd ? 1 : 0
        let exit =
            "{\"code\":null,\"signal\":\"KILL\",\"reason\":\"keeper-signalled\",\"by\":null,\"at\":\"\",\"leftBehind\":[],"
            + "\"output\":{\"out\":{\"start\":0,\"end\":\(output[0].count + more)},"
            + "\"err\":{\"start\":0,\"end\":\(output[1].count)},\"held\":false}}"
        try? writeRecord(exit: exit)
        try? Files.unlinkIfPresent(paths.channel(for: session))
        listener?.close()
        let followers = readers.filter { !$0.offsets.isEmpty }
        var left = followers.count
        guard left > 0 else { return completion() }
        for reader in followers {
            reader.stream.write(Array("exit \(exit)\n".utf8)) { _ in
                left -= 1
                if left == 0 { completion() }
            }
        }
    }

    private func writeRecord(exit: String) throws(UVError) {
        let path = paths.record(for: session)
        let file = try OpenFile(path + ".tmp", .createNew)
        defer { file.close() }
        try file.write(
            Array(
                ("{\"v\":1,\"session\":\"\(session)\",\"epoch\":\"\(epoch)\",\"bootID\":\"\","
                    + "\"keeper\":{\"pid\":\(CurrentProcess.id),\"startTicks\":null},\"child\":null,\"cwd\":\"\","
                    + "\"startedAt\":\"\",\"labels\":{},\"exit\":\(exit)}\n").utf8))
        try Files.rename(path + ".tmp", to: path)
    }
}
