import KeeperProtocol
import UVKeeper

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Where the command's words go: results to stdout, everything else to stderr.
enum Output {
    static func line(_ text: String) { print(text) }

    static func error(_ text: String) { Descriptors.writeToStandardError("uvkeeper: \(printable(text))\n") }

    /// With everything escaped that drives a terminal, but for the ends of lines.
    static func printable(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { escaped($0) }.joined(separator: "\n")
    }

    private static func escaped(_ text: some StringProtocol) -> String {
        var result = ""
        ControlEscaping.append(text, to: &result)
        return result
    }

    static func reportLoss() { error("the output could not be written") }

    /// Bytes as they are, UTF-8 or not.
    static func raw(_ bytes: [UInt8]) { for byte in bytes { putchar(Int32(byte)) } }

    /// Passes on what was printed; into a pipe it is held back otherwise.
    ///
    /// - Returns: false if it could not be written, to a full disk for instance.
    @discardableResult
    static func flush() -> Bool { fflush(nil) == 0 }

    /// One value on one line.
    static func json(_ value: some Encodable) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            print(String(decoding: try encoder.encode(value), as: UTF8.self))
        } catch {
            preconditionFailure("a value of ours cannot be encoded: \(error)")
        }
    }

    /// Rows under a heading, columns as wide as their widest entry; numbers to the right.
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

    /// For instance `4.1 MiB`.
    static func bytes(_ count: UInt64) -> String {
        var value = Double(count)
        for unit in ["B", "KiB", "MiB"] {
            if value < 1024 { return unit == "B" ? "\(count) B" : "\(oneDecimal(value)) \(unit)" }
            value /= 1024
        }
        return "\(oneDecimal(value)) GiB"
    }

    /// For instance `2h 5m`.
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
