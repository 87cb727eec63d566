internal import CLibUV

/// The settings of a terminal. Mirrors `termios`.
struct TerminalState: @unchecked Sendable {
    fileprivate(set) var raw = termios()

    init(_ raw: termios) { self.raw = raw }

    /// Reads the settings of a terminal.
    ///
    /// - Throws: ``UVError/notTerminal``, ``UVError/badDescriptor``.
    init(of descriptor: Int32) throws(UVError) {
        try checkErrno(tcgetattr(descriptor, &raw))
    }

    /// Returns these settings, changed as the mode requires.
    func with(_ mode: Terminal.Mode) -> TerminalState {
        guard mode != .original else { return self }
        var state = self
        state.raw.c_iflag &= ~tcflag_t(BRKINT | ICRNL | INPCK | ISTRIP | IXON)
        state.raw.c_cflag |= tcflag_t(CS8)
        state.raw.c_lflag &= ~tcflag_t(ECHO | ICANON | IEXTEN | ISIG)
        if mode == .binary {
            cfmakeraw(&state.raw)
        } else {
            // A written newline moves to the margin.
            state.raw.c_oflag |= tcflag_t(OPOST | ONLCR)
        }
        withUnsafeMutableBytes(of: &state.raw.c_cc) { characters in
            // A read returns with the first byte.
            characters[Int(VMIN)] = 1
            characters[Int(VTIME)] = 0
        }
        return state
    }

    /// Sets the settings at once, without waiting for earlier output, since a terminal may take none.
    func set(to descriptor: Int32) throws(UVError) {
        var raw = raw
        while tcsetattr(descriptor, TCSANOW, &raw) != 0 {
            let error = UVError(errno: uvloop_errno())
            guard error == .interrupted else { throw error }
        }
    }
}
