import KeeperProtocol
import Synchronization
import UVKeeper

/// The output of the command: results to stdout, everything else to stderr.
///
/// C's streams are not used: they fail for good on a descriptor that another program has made non-blocking.
enum Output {
    private struct Pending {
        var bytes: [UInt8] = []
        /// The first error, after which nothing more is written.
        var error: UVError?
        /// True once the loss was reported.
        var isReported = false

        mutating func append(_ more: some Collection<UInt8>) {
            guard error == nil else { return }
            bytes += more
            if bytes.count >= Output.capacity { write() }
        }

        mutating func write() {
            do throws(UVError) {
                if error == nil { try Descriptors.write(bytes, to: 1) }
            } catch {
                self.error = error
            }
            bytes.removeAll(keepingCapacity: true)
        }
    }

    private static let capacity = 65536
    private static let pending = Mutex(Pending())

    /// Prints a line for people.
    static func line(_ text: String) { print(escaped(text)) }

    private static func print(_ text: String) { raw(Array((text + "\n").utf8)) }

    /// Prints an error to stderr. Further lines are indented, so that quoted text, a path's for instance, cannot pass
    /// for a line of its own.
    static func error(_ text: String) {
        StandardStreams.writeError("uvkeeper: \(printable(text, indent: "  "))\n")
    }

    /// The text with everything escaped that drives a terminal, except for the ends of lines.
    static func printable(_ text: String, indent: String = "") -> String {
        // Bytes are split: a carriage return with a newline is a single Character.
        text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { escaped(Substring($0)) }.joined(separator: "\n" + indent)
    }

    /// Prints text of the command's own, unchanged.
    static func text(_ text: String) { print(text) }

    /// The text with everything escaped that drives a terminal, ends of lines included.
    static func escaped(_ text: some StringProtocol) -> String {
        var result = ""
        ControlEscaping.append(text, to: &result)
        return result
    }

    /// Reports that output is lost, unless the reader wanted no more.
    static func reportLoss() {
        let isNews = pending.withLock { pending in
            defer { pending.isReported = true }
            return pending.error != .brokenPipe && !pending.isReported
        }
        if isNews { error("the output could not be written") }
    }

    /// Prints bytes as they are, UTF-8 or not.
    static func raw(_ bytes: [UInt8]) { pending.withLock { $0.append(bytes) } }

    /// Writes out the text printed, which is buffered otherwise.
    ///
    /// - Returns: false if not everything printed so far could be written, to a full disk for instance.
    @discardableResult
    static func flush() -> Bool {
        pending.withLock {
            $0.write()
            return $0.error == nil
        }
    }

    /// Prints a value on one line.
    ///
    /// - Parameter hasRawBytes: true if its texts may have bytes of ``RawText``, which are printed as numbers.
    static func json(_ value: some Encodable, hasRawBytes: Bool = true) {
        print(encoded(value, hasRawBytes: hasRawBytes))
    }

    /// The text of such a line, without its newline.
    static func encoded(_ value: some Encodable, hasRawBytes: Bool = true) -> String {
        do {
            let text = String(decoding: try JSONValue(encoding: value).encoded, as: UTF8.self)
            // A backslash in a JSON string is written as two.
            return hasRawBytes ? ControlEscaping.escapingRawBytes(text, backslash: "\\\\") : text
        } catch {
            preconditionFailure("a value of ours cannot be encoded: \(error)")
        }
    }

    /// Prints rows under a heading, columns as wide as their widest entry, numbers to the right.
    static func table(_ heading: [String], _ rows: [[String]], rightAligned: Set<Int>) {
        let all = ([heading] + rows).map { $0.map { escaped($0) } }
        let widths = heading.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        for row in all {
            let cells = row.enumerated().map { column, text in
                let padding = String(repeating: " ", count: widths[column] - text.count)
                return rightAligned.contains(column) ? padding + text : text + padding
            }
            let line = cells.joined(separator: "  ")
            print(line.reversed().drop { $0 == " " }.reversed().map(String.init).joined())
        }
    }

    /// The number of things in words, for instance `1 line`.
    static func count(_ count: some BinaryInteger, _ thing: String) -> String {
        "\(count) \(thing)\(count == 1 ? "" : "s")"
    }

    /// The size in words, for instance `4.1 MiB`.
    static func bytes(_ count: UInt64) -> String {
        var value = Double(count)
        for unit in ["B", "KiB", "MiB"] {
            if value < 1024 { return unit == "B" ? "\(count) B" : "\(oneDecimal(value)) \(unit)" }
            value /= 1024
        }
        return "\(oneDecimal(value)) GiB"
    }

    /// The duration in words, for instance `2h 5m`.
    static func age(_ duration: Duration) -> String {
        let seconds = max(0, duration.components.seconds)
        switch seconds {
        case ..<60: return "\(seconds)s"
        case ..<3600: return "\(seconds / 60)m \(seconds % 60)s"
        case ..<86400: return "\(seconds / 3600)h \(seconds % 3600 / 60)m"
        default: return "\(seconds / 86400)d \(seconds % 86400 / 3600)h"
        }
    }

    private static func oneDecimal(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
