import UVKeeper

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The live display on stderr: a bar that is redrawn on a terminal, else a plain line now and then.
final class Progress {
    private let isTerminal = Terminal.isTerminal(2)
    private let isQuiet: Bool
    private var lastPlain = -1.0

    init(isQuiet: Bool) { self.isQuiet = isQuiet }

    /// - Parameter total: seconds; nil if the end is not known.
    func show(_ seconds: Double, of total: Double?, _ facts: String) {
        guard !isQuiet else { return }
        if isTerminal {
            let part = total.map { min(1, seconds / $0) } ?? 0
            let filled = Int(part * 20)
            let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: 20 - filled)
            StandardStreams.writeError("\r\u{1B}[K[\(bar)] \(Texts.decimal(seconds)) s  \(facts)")
        } else if seconds >= lastPlain + 5 {
            lastPlain = seconds
            StandardStreams.writeError("\(Texts.decimal(seconds)) s: \(facts)\n")
        }
    }

    /// Prints an event on a line of its own.
    func say(_ text: String) {
        guard !isQuiet else { return }
        StandardStreams.writeError((isTerminal ? "\r\u{1B}[K" : "") + text + "\n")
    }

    func end() {
        if isTerminal, !isQuiet { StandardStreams.writeError("\r\u{1B}[K") }
    }
}
