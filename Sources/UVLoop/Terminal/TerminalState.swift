internal import CLibUV

/// The settings of a terminal. Mirrors `termios`.
struct TerminalState: @unchecked Sendable {
    fileprivate(set) var raw = termios()

    init(_ raw: termios) { self.raw = raw }

    /// - Throws: ``UVError/notTerminal``, ``UVError/badDescriptor``.
    init(of descriptor: Int32) throws(UVError) {
        try checkErrno(tcgetattr(descriptor, &raw))
    }

    /// The settings of a mode, with everything that it says nothing about as it is here.
    func with(_ mode: Terminal.Mode) -> TerminalState {
        guard mode != .original else { return self }
        var state = self
        state.raw.c_iflag &= ~tcflag_t(BRKINT | ICRNL | INPCK | ISTRIP | IXON)
        state.raw.c_cflag |= tcflag_t(CS8)
        state.raw.c_lflag &= ~tcflag_t(ECHO | ICANON | IEXTEN | ISIG)
        if mode == .binary {
            cfmakeraw(&state.raw)
        } else {
            // A new line of what is written goes to the margin.
            state.raw.c_oflag |= tcflag_t(OPOST | ONLCR)
        }
        withUnsafeMutableBytes(of: &state.raw.c_cc) { characters in
            // A read ends with the first byte.
            characters[Int(VMIN)] = 1
            characters[Int(VTIME)] = 0
        }
        return state
    }

    /// At once: what was written before may still be on its way, and a terminal that takes nothing is not waited for.
    func set(to descriptor: Int32) throws(UVError) {
        var raw = raw
        while tcsetattr(descriptor, TCSANOW, &raw) != 0 {
            let error = UVError(errno: uvloop_errno())
            guard error == .interrupted else { throw error }
        }
    }
}
