import UVKeeper

/// Prints a log from its start or end, and what is added; a log that was cut begins anew.
final class LogFollower {
    private static let interval = Duration.milliseconds(200)
    private static let chunk = 65536

    private let path: String
    private let isJSON: Bool
    private var offset = 0
    private var identity: FileIdentity?
    /// Whether something could not be printed, on a full disk for instance.
    private(set) var hasFailed = false
    /// For JSON, which has a record for each line.
    private var framer = LineFramer(maximumLineLength: 1 << 24)
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
    func follow(on loop: Loop, done: @escaping () -> Void) throws(UVError) {
        let timer = try TimerHandle(on: loop)
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
        // A log line this long is the child's, and is cut.
        if !framer.append(bytes.span.bytes, emit: record) { framer = LineFramer(maximumLineLength: 1 << 24) }
    }

    private func endLine() {
        guard isWithinLine else { return }
        isWithinLine = false
        if isJSON { framer.finish(emit: record) } else { Output.line("") }
    }

    private func record(_ lines: RawSpan) {
        lines.withUnsafeBytes { bytes in
            // By bytes: to Character, a carriage return and a newline are one.
            for line in bytes.dropLast().split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
                let end = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
                Output.json(LogRecord(Substring(String(decoding: end, as: UTF8.self))))
            }
        }
    }
}

/// A log line as JSON.
private struct LogRecord: Encodable {
    var time: String?
    var text: String

    init(_ line: Substring) {
        let pattern = "[0000-00-00T00:00:00.000Z] "
        let stamp = line.prefix(pattern.count)
        let isStamp = zip(stamp, pattern).allSatisfy { $0 == $1 || ($1 == "0" && $0.isASCII && $0.isNumber) }
        if stamp.count == pattern.count, isStamp {
            time = String(stamp.dropFirst().dropLast(2))
            text = String(line.dropFirst(pattern.count))
        } else {
            text = String(line)
        }
    }
}
