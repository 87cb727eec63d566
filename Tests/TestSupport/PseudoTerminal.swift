import Libc

/// A terminal without a window: what is written to one side can be read from the other. The side of the program is
/// ``terminal``. Both are close-on-exec, and the caller's to close.
public struct PseudoTerminal {
    /// The side of who types and looks.
    public let controller: Int32
    /// The side of the program.
    public let terminal: Int32

    /// Nil if the system has none to give.
    public init?() {
        controller = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var (isLocked, number): (CInt, CInt) = (0, 0)
        guard controller >= 0,
            ioctl(controller, PseudoTerminal.setLock, &isLocked) == 0,
            ioctl(controller, PseudoTerminal.getNumber, &number) == 0
        else { return nil }
        terminal = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard terminal >= 0 else { return nil }
    }

    /// TIOCSPTLCK and TIOCGPTN, which are macros.
    private static let setLock: UInt = 0x4004_5431
    private static let getNumber: UInt = 0x8004_5430
}
