import UVKeeper

/// The channel of a stand-in for a keeper: greets, takes lines under their numbers, acknowledges written ones, and
/// passes requests for output on. The channel does no more than a sender of lines and a reader need.
final class StandInChannel {
    /// The harm that the channel does to one line in ten thousand, if not to all.
    enum Fault {
        case none
        /// No line of that writer is acknowledged any more.
        case dropAcknowledgement
        /// A line is acknowledged before it is written, and then lost.
        case acknowledgeEarly
        /// A writer that comes back is unknown.
        case forgetWriter
    }

    private final class Connection {
        let stream: PipeStream
        var bytes: [UInt8] = []
        /// The number and the length of a line whose header was read.
        var line: (sequence: Int, length: Int)?
        var writer: String?

        init(_ stream: PipeStream) { self.stream = stream }

        func say(_ text: String) {
            if !stream.isClosing { stream.write(text + "\n") }
        }
    }

    private struct Writer {
        var last = 0
        var acknowledged = 0
        var isSilent = false
        weak var connection: Connection?
    }

    let epoch: String
    private let session: SessionID
    private let fault: Fault
    private let output: FaultyOutput?
    private let listener: PipeListener
    private let write: (_ line: [UInt8], _ written: @escaping () -> Void) -> Void
    private var writers: [String: Writer] = [:]
    private var count = 0
    private var connections: [ObjectIdentifier: Connection] = [:]

    /// - Parameters:
    ///   - output: the child's output, if it can be read.
    ///   - write: gives a line to the child, and says when its pipe has it.
    init(
        _ session: SessionID, at path: String, _ fault: Fault, output: FaultyOutput?, on loop: Loop,
        write: @escaping (_ line: [UInt8], _ written: @escaping () -> Void) -> Void,
    ) throws(UVError) {
        self.session = session
        self.fault = fault
        self.output = output
        self.write = write
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        epoch = String(repeating: "0", count: 16 - digits.count) + digits
        listener = try PipeListener(bindingTo: path, on: loop)
        try listener.listen { [unowned self] _, accepted in
            if case .success(let stream) = accepted { serve(Connection(stream)) }
        }
    }

    /// The writers in the form of a record.
    var states: String {
        writers.map { #"{"name":"\#($0)","last":\#($1.last),"acknowledged":\#($1.acknowledged)}"# }
            .joined(separator: ",")
    }

    /// Refuses new connections; those that are open go on until their clients end them.
    func close() { listener.close() }

    private func serve(_ connection: Connection) {
        connections[ObjectIdentifier(connection)] = connection
        connection.say(
            #"hello {"uvkeeper":"0","protocol":1,"verbs":["writer","write","read","status"],"session":"\#(session)","epoch":"\#(epoch)","#
                + #""maxLine":16777216,"output":null}"#)
        do throws(UVError) {
            try connection.stream.readStart(
                onBytes: { [unowned self, unowned connection] _, bytes in
                    bytes.withUnsafeBytes { connection.bytes += $0 }
                    read(connection)
                },
                onEnd: { [unowned self, unowned connection] stream, _ in
                    stream.close()
                    output?.forget(connection.stream)
                    connections[ObjectIdentifier(connection)] = nil
                })
        } catch {
            connection.stream.close()
        }
    }

    /// Handles the complete messages.
    private func read(_ connection: Connection) {
        var position = 0
        let bytes = connection.bytes
        while true {
            if let (sequence, length) = connection.line {
                guard position + length < bytes.count || endsLine(bytes, position + length) else { break }
                var line = Array(bytes[position..<position + length])
                position += length
                if line.last != 10 {
                    line.append(10)
                    position += 1
                }
                connection.line = nil
                take(line, sequence, connection)
            } else {
                guard let end = bytes[position...].firstIndex(of: 10) else { break }
                let header = String(decoding: bytes[position..<end], as: UTF8.self)
                let words = header.split(separator: " ")
                position = end + 1
                switch (words.first, words.count) {
                case ("writer", 2...): introduce(String(words[1]), connection)
                case ("write", 3): connection.line = (Int(words[1]) ?? 0, Int(words[2]) ?? 0)
                case ("status", _): tellStatus(connection)
                case ("read", _) where output != nil: output?.begin(header, on: connection.stream)
                default: connection.say("error unknown-verb \(words.first ?? "") a stand-in does not know it")
                }
            }
        }
        connection.bytes.removeFirst(position)
    }

    /// True if a payload that ends there includes its newline.
    private func endsLine(_ bytes: [UInt8], _ end: Int) -> Bool { end == bytes.count && bytes.last == 10 }

    private func tellStatus(_ connection: Connection) {
        let process = "{\"pid\":\(CurrentProcess.id),\"startedAt\":\"\"}"
        connection.say(
            "status {\"session\":\"\(session)\",\"epoch\":\"\(epoch)\",\"state\":\"running\",\"keeper\":\(process),"
                + "\"child\":\(process)}")
    }

    private func introduce(_ name: String, _ connection: Connection) {
        connection.writer = name
        if fault == .forgetWriter { writers[name] = nil }
        let writer = writers[name, default: Writer()]
        writers[name, default: Writer()].connection = connection
        connection.say("writer \(name) \(writer.last) \(writer.acknowledged)")
    }

    private func take(_ line: [UInt8], _ sequence: Int, _ connection: Connection) {
        guard let name = connection.writer, let writer = writers[name] else { return }
        guard sequence == writer.last + 1 else {
            return connection.say("ack \(writer.acknowledged)")
        }
        writers[name]?.last = sequence
        count += 1
        // The line is in the middle of an interval, like other harmed ones.
        if count % Mischief.interval == Mischief.interval / 2 {
            switch fault {
            case .none, .forgetWriter: break
            case .dropAcknowledgement: writers[name]?.isSilent = true
            case .acknowledgeEarly: return acknowledge(sequence, name)
            }
        }
        write(line) { [weak self] in self?.acknowledge(sequence, name) }
    }

    private func acknowledge(_ sequence: Int, _ name: String) {
        guard let writer = writers[name], !writer.isSilent else { return }
        writers[name]?.acknowledged = max(writer.acknowledged, sequence)
        writer.connection?.say("ack \(max(writer.acknowledged, sequence))")
    }
}
