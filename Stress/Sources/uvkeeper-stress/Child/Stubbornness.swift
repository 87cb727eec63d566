import UVKeeper

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The orders that a child ignores when its session is to end, so that the keeper must take the next step.
struct Stubbornness: OptionSet {
    let rawValue: UInt64

    /// The child runs on after the end of its input.
    static let endOfInput = Stubbornness(rawValue: 1)
    /// The child and the process that it has started ignore SIGTERM.
    static let terminate = Stubbornness(rawValue: 2)
    /// The child has started a process that does nothing, and runs for long.
    static let grandchild = Stubbornness(rawValue: 4)

    /// Prepares the child, before it reads.
    static func begin(_ receipts: Receipts) {
        let own = Stubbornness(rawValue: receipts[.stubbornness])
        // The process that the child starts inherits the disposition.
        if own.contains(.terminate) { signal(SIGTERM, SIG_IGN) }
        guard own.contains(.grandchild) else { return }
        var pid: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sleep"), strdup("3600"), nil]
        defer { for argument in arguments { free(argument) } }
        guard posix_spawn(&pid, "/bin/sleep", nil, nil, &arguments, environ) == 0 else { exit(71) }
        receipts[.grandchild] = UInt64(pid)
    }

    /// Keeps the child running, when its input has ended.
    static func end(_ receipts: Receipts) {
        guard Stubbornness(rawValue: receipts[.stubbornness]).contains(.endOfInput) else { return }
        while true { pause() }
    }
}
