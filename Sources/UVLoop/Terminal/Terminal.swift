internal import CLibUV

/// A terminal to read keys from and to write to. Mirrors `uv_tty_t`.
///
/// The terminal's mode is put back when the stream closes, and at every end of the process that can be caught: see
/// ``setMode(_:)``. The descriptor it was made from is left as it is, blocking: a program that shares it, such as the shell,
/// notices nothing.
public final class Terminal: Stream {
    /// How a terminal treats what is typed. Mirrors `uv_tty_mode_t`.
    public enum Mode: Hashable, Sendable {
        /// As it was found: usually line by line, with echo, and Ctrl-C as a signal.
        case original
        /// Every key at once, without echo and without signals; what is written begins its lines at the margin.
        case raw
        /// The same, and nothing that is written is changed: a new line needs `\r\n`.
        case binary
    }

    /// Columns and rows, in characters.
    public struct WindowSize: Hashable, Sendable {
        /// How many characters a row has.
        public var columns: Int
        /// How many rows there are.
        public var rows: Int

        /// A size of so many columns and rows.
        public init(columns: Int, rows: Int) {
            self.columns = columns
            self.rows = rows
        }
    }

    /// Whether a descriptor is a terminal. Mirrors `isatty`.
    public static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

    /// The mode that was set last.
    public private(set) var mode = Mode.original
    private let original: TerminalState
    private var resizes: SignalHandle?
    /// While the mode is another than the original one: a shell that has stopped this process sets its own.
    private var continues: SignalHandle?

    /// Opens the terminal that a descriptor leads to: usually 0 to read from, 1 to write to. The descriptor stays the
    /// caller's, and may be closed afterwards.
    ///
    /// A terminal that cannot be opened anew, for instance another user's, is used by a copy of the descriptor, whose writes
    /// then wait for a terminal that takes nothing.
    ///
    /// - Throws: ``UVError/notTerminal``, ``UVError/badDescriptor``, ``UVError/tooManyOpenFiles``.
    public init(_ descriptor: Int32, on loop: Loop) throws(UVError) {
        let present = try TerminalState(of: descriptor)
        // Another one, by the descriptor 0 perhaps, may have it in raw mode, and would not be what it is put back to.
        original = TerminalGuard.original(of: descriptor) ?? present
        let copy = try Descriptors.duplicate(descriptor)
        let number = copy.number
        do throws(UVError) {
            // libuv opens the terminal anew, so that making it non-blocking concerns nobody else, and puts that in the
            // place of the descriptor it is given (H94): of the copy.
            try super.init(uv_tty_t.self, on: loop, isConnected: true) { uv_tty_init(loop.raw, $0, number, 0) }
        } catch {
            copy.close()
            throw error
        }
        _ = copy.release()
    }

    /// Sets the mode, for everybody who uses the terminal.
    ///
    /// Another mode than the original one is undone when the stream closes, when the process exits, and when one of the
    /// signals ends it that would end it without: they are handled while such a mode lasts, where nobody else handles them,
    /// and then sent again. SIGKILL cannot be caught. A process that was stopped in such a mode sets it again when it goes
    /// on.
    ///
    /// - Throws: ``UVError/ioError`` for a terminal that has hung up, ``UVError/canceled`` when the loop has closed it.
    public func setMode(_ mode: Mode) throws(UVError) {
        guard isUsable("Terminal.setMode: the terminal is closed") else { throw .canceled }
        guard let descriptor else { throw .canceled }
        guard mode != .original else { return try restore(descriptor) }
        let isFirst = self.mode == .original
        if isFirst { try TerminalGuard.add(descriptor, original) }
        do throws(UVError) {
            if isFirst { try watchContinues() }
            try original.with(mode).set(to: descriptor)
        } catch {
            if isFirst { try restore(descriptor) }
            throw error
        }
        self.mode = mode
    }

    private func restore(_ descriptor: Int32) throws(UVError) {
        continues?.close()
        continues = nil
        mode = .original
        defer { TerminalGuard.remove(descriptor) }
        try original.set(to: descriptor)
    }

    private func watchContinues() throws(UVError) {
        let continues = try SignalHandle(on: loop)
        do throws(UVError) {
            try continues.start(.continue) { [unowned self] _, _ in
                guard let descriptor else { return }
                do throws(UVError) { try original.with(mode).set(to: descriptor) } catch {
                    // It has hung up, which reading tells.
                }
            }
        } catch {
            continues.close()
            throw error
        }
        continues.unref()
        self.continues = continues
    }

    /// The size of the window. Mirrors `uv_tty_get_winsize`.
    ///
    /// - Throws: ``UVError/ioError`` for a terminal that has hung up. A terminal that was never told its size has 0 columns
    ///   and rows.
    public var windowSize: WindowSize {
        get throws(UVError) {
            guard isUsable("Terminal.windowSize: the terminal is closed") else { throw .canceled }
            var (columns, rows): (CInt, CInt) = (0, 0)
            try check(uv_tty_get_winsize(raw.tty, &columns, &rows))
            return WindowSize(columns: Int(columns), rows: Int(rows))
        }
    }

    /// Calls back whenever the window has another size; that does not keep the loop running. By SIGWINCH, so only for the
    /// terminal that this process belongs to.
    ///
    /// - Throws: what ``SignalHandle/init(on:)`` throws.
    public func onResize(_ body: @escaping (Terminal, WindowSize) -> Void) throws(UVError) {
        guard isUsable("Terminal.onResize: the terminal is closed") else { throw .canceled }
        var last = try windowSize
        if resizes == nil { resizes = try SignalHandle(on: loop) }
        guard let resizes else { return }
        resizes.unref()
        try resizes.start(.windowChange) { [unowned self] _, _ in
            guard !isClosing, let size = currentSize, size != last else { return }
            last = size
            body(self, size)
        }
    }

    /// Nil for a terminal that has hung up.
    private var currentSize: WindowSize? {
        do throws(UVError) { return try windowSize } catch { return nil }
    }

    /// A terminal whose window has closed.
    override func readError(_ error: UVError) -> UVError? { error == .ioError ? nil : error }

    override var hasPeerThatFinishes: Bool { false }

    override func willClose() {
        if mode != .original, let descriptor = openDescriptor {
            do throws(UVError) { try restore(descriptor) } catch {
                // It has hung up: there is nothing to put back.
            }
        }
        resizes?.close()
        resizes = nil
        super.willClose()
    }

    /// Also while it closes.
    private var openDescriptor: Int32? {
        var descriptor: uv_os_fd_t = -1
        return uv_fileno(raw, &descriptor) == 0 ? descriptor : nil
    }
}
