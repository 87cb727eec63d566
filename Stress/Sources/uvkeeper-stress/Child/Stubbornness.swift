import UVKeeper

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// What a child does not heed when its session is to end: it makes the keeper take the next step.
struct Stubbornness: OptionSet {
    let rawValue: UInt64

    /// It runs on after the end of its input.
    static let endOfInput = Stubbornness(rawValue: 1)
    /// SIGTERM does nothing to it, nor to what it has started.
    static let terminate = Stubbornness(rawValue: 2)
    /// It has started a process that does nothing, and runs for long.
    static let grandchild = Stubbornness(rawValue: 4)

    /// For the child, before it reads.
    static func begin(_ receipts: Receipts) {
        let own = Stubbornness(rawValue: receipts[.stubbornness])
        // Whatever it starts inherits that.
        if own.contains(.terminate) { signal(SIGTERM, SIG_IGN) }
        guard own.contains(.grandchild) else { return }
        var pid: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sleep"), strdup("3600"), nil]
        defer { for argument in arguments { free(argument) } }
        guard posix_spawn(&pid, "/bin/sleep", nil, nil, &arguments, environ) == 0 else { exit(71) }
        receipts[.grandchild] = UInt64(pid)
    }

    /// For the child, when its input has ended.
    static func end(_ receipts: Receipts) {
        guard Stubbornness(rawValue: receipts[.stubbornness]).contains(.endOfInput) else { return }
        while true { pause() }
    }
}
