import Libc

/// A terminal without a window: bytes written to one side can be read from the other. Both descriptors are
/// close-on-exec, and closed by the caller.
public struct PseudoTerminal {
    /// The side of the user, who types and looks.
    public let controller: Int32
    /// The side of the program.
    public let terminal: Int32

    /// Creates a terminal; nil if the system has none left.
    ///
    /// - Parameter columns: the number of characters in a row; nil: no size is set.
    public init?(columns: UInt16? = nil) {
        controller = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var (isLocked, number): (CInt, CInt) = (0, 0)
        guard controller >= 0,
            ioctl(controller, PseudoTerminal.setLock, &isLocked) == 0,
            ioctl(controller, PseudoTerminal.getNumber, &number) == 0
        else { return nil }
        terminal = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard terminal >= 0 else { return nil }
        guard let columns else { return }
        // A struct winsize: rows, columns, and the pixels of both.
        var size: [UInt16] = [24, columns, 0, 0]
        guard ioctl(controller, UInt(TIOCSWINSZ), &size) == 0 else { return nil }
    }

    /// The macros TIOCSPTLCK and TIOCGPTN.
    private static let setLock: UInt = 0x4004_5431
    private static let getNumber: UInt = 0x8004_5430
}
