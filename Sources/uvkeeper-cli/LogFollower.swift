import UVKeeper

/// Prints a log from its start or end, and what is added; a log that was cut begins anew.
final class LogFollower {
    private static let interval = Duration.milliseconds(200)
    private static let chunk = 65536
    private static let longestLine = 1 << 24

    private let path: String
    private let isJSON: Bool
    private var offset = 0
    private var identity: FileIdentity?
    /// Whether something could not be printed, on a full disk for instance.
    private(set) var hasFailed = false
    /// For JSON, which has a record for each line: the start of the line whose end has not been read.
    private var line: [UInt8] = []
    /// More of that line was read than ``longestLine``, and not kept.
    private var isLineCut = false
    private var isWithinLine = false

    init(path: String, isJSON: Bool) {
        self.path = path
        self.isJSON = isJSON
    }

    /// Prints what is there, all of it or the last lines.
    func printExisting(last count: Int?) throws(UVError) {
        let file = try OpenFile(path, .readOnly)
        defer { file.close() }
        if let count { offset = try start(ofLast: count, in: file) }
        try printRest(of: file)
    }

    /// Ends a last line that has no newline yet.
    func finish() {
        endLine()
        flush()
    }

    /// Goes on until the process ends, nobody reads its output any more, or it cannot be written: then `done` is
    /// called. No SIGPIPE comes to end it, since the loop blocks that.
    func follow(on loop: Loop, done: @escaping () -> Void) {
        let timer = TimerHandle(on: loop)
        timer.start(after: LogFollower.interval, repeating: LogFollower.interval) { [self] _ in
            guard !hasFailed, !Descriptors.isBroken(1) else { return done() }
            do throws(UVError) {
                let file = try OpenFile(path, .readOnly)
                defer { file.close() }
                try printRest(of: file)
            } catch {
                // Gone for now. A session that is started again makes it anew, which its identity will tell.
            }
        }
    }

    private func printRest(of file: OpenFile) throws(UVError) {
        let status = try file.status()
        // Cut in place, or another file by now.
        if status.size < UInt64(offset) || (identity != nil && identity != status.identity) {
            beginAnew()
            Output.error("the log was cut; what was added just before may be missing")
        }
        identity = status.identity
        while true {
            let bytes = try file.read(from: offset, limit: LogFollower.chunk)
            guard !bytes.isEmpty else { break }
            offset += bytes.count
            show(bytes)
        }
        flush()
    }

    private func flush() {
        if !Output.flush() { hasFailed = true }
    }

    /// What came before the cut is no part of the line that comes after it.
    private func beginAnew() {
        offset = 0
        endLine()
    }

    private func start(ofLast count: Int, in file: OpenFile) throws(UVError) -> Int {
        let size = Int(clamping: try file.status().size)
        guard count > 0 else { return size }
        var position = size
        var newlines = 0
        while position > 0 {
            let length = min(LogFollower.chunk, position)
            position -= length
            let bytes = try file.read(from: position, limit: length)
            for index in bytes.indices.reversed() where bytes[index] == UInt8(ascii: "\n") {
                // The newline at the very end ends the last line and begins none.
                if position + index == size - 1 { continue }
                newlines += 1
                if newlines == count { return position + index + 1 }
            }
        }
        return 0
    }

    private func show(_ bytes: [UInt8]) {
        isWithinLine = bytes.last != UInt8(ascii: "\n")
        guard isJSON else { return Output.raw(bytes) }
        // Bytes are split: to Character, a carriage return and a newline are one.
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
    /// The line was longer, and this is its start.
    var cut: Bool?

    init(_ line: Substring, isCut: Bool) {
        cut = isCut ? true : nil
        let pattern = "[0000-00-00T00:00:00.000Z] "
        // Bytes count, as above: an accent after the blank is the text's.
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
