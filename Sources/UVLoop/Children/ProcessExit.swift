/// The end of a child.
public enum ProcessExit: Hashable, Sendable, CustomStringConvertible {
    /// The child returned this code, 0 to 255.
    case exited(code: Int32)
    /// A signal ended the child.
    case signaled(Signal)
    /// The child has ended, but other code in this process collected its status: a host that waits for all children.
    case unknown

    /// The end in words, for instance `exited with code 3`.
    public var description: String {
        switch self {
        case .exited(let code): "exited with code \(code)"
        case .signaled(let signal): "ended by \(signal)"
        case .unknown: "ended, its status collected by another part of the program"
        }
    }

    /// Creates an exit from the status that `waitpid` stores.
    init(waitStatus status: CInt) {
        let signal = status & 0x7f
        self = signal == 0 ? .exited(code: (status >> 8) & 0xff) : .signaled(Signal(rawValue: signal))
    }
}
