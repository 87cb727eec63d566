import UVKeeper

/// A printer of a log, from its start or its last lines on, and of lines added later; a log that was cut begins anew.
final class LogFollower {
    private static let chunk = 65536
    private static let longestLine = 1 << 24

    private let path: String
    private let isJSON: Bool
    /// True if output could not be printed, on a full disk for instance.
    private(set) var hasFailed = false
    /// The beginning of the line whose end has not been read. For JSON, which has a record for each line.
    private var line: [UInt8] = []
    /// True if more of that line than ``longestLine`` was read, and not kept.
    private var isLineCut = false
    private var isWithinLine = false
    /// The log opened last; nil before the first.
    private var opened: FileIdentity?

    init(path: String, isJSON: Bool) {
        self.path = path
        self.isJSON = isJSON
    }

    /// Prints the existing log, all of it or its last lines, without its holes.
    func printExisting(last count: Int?) throws(UVError) {
        let file = try OpenFile(path, .readOnly)
        defer { file.close() }
        var offset = if let count { try file.offset(ofLastLines: count) } else { 0 }
        while let data = try Descriptors.nextData(of: file.descriptor, from: offset) {
            let bytes = try file.read(from: data.lowerBound, limit: min(data.count, LogFollower.chunk))
            guard !bytes.isEmpty else { break }
            offset = data.lowerBound + bytes.count
            show(bytes)
        }
        endLine()
        flush()
    }

    /// Prints the existing log, all of it or its last lines, and goes on until the process ends, the output has no
    /// reader any more, or it cannot be written: then `done` is called. SIGPIPE does not end the process, since the
    /// loop blocks it.
    ///
    /// - Throws: ``FileTailError``, with ``UVError/noEntry`` for a log that does not exist. A log that goes later may
    ///   come back.
    func follow(last count: Int?, on loop: Loop, done: @escaping () -> Void) throws(FileTailError) {
        do throws(UVError) {
            // A tail would wait for the log, and the user would not learn that the session does not exist.
            _ = try Files.status(of: path, followingLinks: false)
        } catch {
            throw FileTailError(path: path, systemError: error)
        }
        let tail = FileTail(path, followsLinks: false, on: loop)
        var readers: ReaderWatch?
        let end = {
            tail.close()
            readers?.close()
            readers = nil
            done()
        }
        do throws(FileTailError) {
            try tail.start(
                from: count.map { .lastLines($0) } ?? .start,
                onBytes: { [self] _, bytes in
                    show(bytes.withUnsafeBytes { Array($0) })
                    flush()
                    if hasFailed { end() }
                },
                onEvent: { [self] _, event in tell(event) },
            )
        } catch {
            tail.close()
            throw error
        }
        readers = ReaderWatch(on: loop, onGone: end)
    }

    private func tell(_ event: FileTail.Event) {
        switch event {
        case .opened(let log):
            // The log is the first one, or the same one under its name again, or a new one of a session that was
            // started again.
            if let opened, opened != log { beginAnew("the log is another file now") }
            opened = log
        case .cut: beginAnew("the log was cut; what was added just before may be missing")
        // The log is gone for now.
        case .missing: break
        case .unusable(let error): Output.error("\(error)")
        case .polling: break
        }
        flush()
    }

    private func flush() {
        if !Output.flush() { hasFailed = true }
    }

    /// Ends the current line: earlier bytes are no part of the line that follows.
    private func beginAnew(_ reason: String) {
        endLine()
        flush()
        Output.error(reason)
    }

    private func show(_ bytes: [UInt8]) {
        isWithinLine = bytes.last != UInt8(ascii: "\n")
        guard isJSON else { return Output.raw(bytes) }
        // Bytes are split: a carriage return with a newline is a single Character.
        var rest = bytes[...]
        while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
            keep(rest[..<newline])
            record()
            rest = rest[(newline + 1)...]
        }
        keep(rest)
    }

    private func keep(_ more: ArraySlice<UInt8>) {
        let room = LogFollower.longestLine - line.count
        line += more.prefix(room)
        if more.count > room { isLineCut = true }
    }

    private func endLine() {
        guard isWithinLine else { return }
        isWithinLine = false
        if isJSON { record() } else { Output.line("") }
    }

    private func record() {
        let end = line.last == UInt8(ascii: "\r") && !isLineCut ? line.dropLast() : line[...]
        Output.json(LogRecord(String(decoding: end, as: UTF8.self)[...], isCut: isLineCut), hasRawBytes: false)
        line.removeAll(keepingCapacity: true)
        isLineCut = false
    }
}

/// A log line as JSON.
private struct LogRecord: Encodable {
    var time: String?
    var text: String
    /// True if the line was longer, and the text is its beginning.
    var cut: Bool?

    init(_ line: Substring, isCut: Bool) {
        cut = isCut ? true : nil
        let pattern = "[0000-00-00T00:00:00.000Z] "
        // Bytes are compared, as above: an accent after the blank belongs to the text.
        let stamp = line.utf8.prefix(pattern.utf8.count)
        let isDigit = { (byte: UInt8) in (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        let isStamp = zip(stamp, pattern.utf8).allSatisfy { $0 == $1 || ($1 == UInt8(ascii: "0") && isDigit($0)) }
        if stamp.count == pattern.utf8.count, isStamp {
            time = String(Substring(stamp.dropFirst().dropLast(2)))
            text = String(Substring(line.utf8[stamp.endIndex...]))
        } else {
            text = String(line)
        }
    }
}
