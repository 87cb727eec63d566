import ArgumentParser
import KeeperProtocol
import UVKeeper

/// The end of a session in words, and as an exit code.
enum SessionEnd {
    /// The end in words, for instance `its child exited with code 3`; nil if it is not known.
    static func text(_ exit: SessionExit?) -> String {
        guard let exit else { return "nobody knows how" }
        switch exit.reason {
        case .cannotStart: return "its command could not be started"
        case .keeperLost:
            let child = exit.childStillRan == true ? "its child still ran" : "how its child ended is not known"
            return "its keeper was killed, and \(child)"
        case .exited, .stopped, .crashedAtStart, .keeperSignalled, .unknown:
            let end =
                exit.signal.map { "its child was ended by SIG\($0)" }
                ?? exit.code.map { "its child exited with code \($0)" } ?? "how its child ended is not known"
            return exit.oom == true ? end + "; a process of the session was killed for lack of memory" : end
        }
    }

    /// The child's code, or 128 and the number of the signal that ended it; 2 if it cannot be known.
    static func code(_ exit: SessionExit?) -> ExitCode {
        exit?.shellStatus.map { ExitCode($0) } ?? .unknownOutcome
    }

    /// The last lines that the child wrote to stderr, indented; empty if it wrote none.
    static func lastWords(_ exit: SessionExit?, lines: Int = 8) -> String {
        let all = (exit?.stderrTail ?? "").split(separator: "\n", omittingEmptySubsequences: true)
        return all.suffix(lines).map { "\n  \($0)" }.joined()
    }
}
