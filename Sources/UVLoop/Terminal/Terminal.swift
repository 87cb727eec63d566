internal import CLibUV

/// A terminal to read keys from and to write to. Mirrors `uv_tty_t`.
///
/// The terminal's mode is restored when the stream closes, and at every end of the process that can be caught: see
/// ``setMode(_:)``. The original descriptor is left as it is, blocking: a program that shares it, such as the shell,
/// notices no change.
public final class Terminal: Stream {
    /// The way in which a terminal treats typed and written characters. Mirrors `uv_tty_mode_t`.
    public enum Mode: Hashable, Sendable {
        /// The mode in which the terminal was found: usually line by line, with echo, and Ctrl-C as a signal.
        case original
        /// Every key is read at once, without echo and without signals; written lines begin at the margin.
        case raw
        /// The same as ``raw``, but written bytes are not changed: a new line needs `\r\n`.
        case binary
    }

    /// The size of a window in characters.
    public struct WindowSize: Hashable, Sendable {
        /// The number of characters in a row.
        public var columns: Int
        /// The number of rows.
        public var rows: Int

        /// Creates a size.
        public init(columns: Int, rows: Int) {
            self.columns = columns
            self.rows = rows
        }
    }

    /// True if a descriptor is a terminal. Mirrors `isatty`.
    public static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

    /// The number of characters in a row of the terminal behind a descriptor; nil if it is none, or was never given a size.
    package static func columns(of descriptor: Int32) -> Int? {
        let columns = Int(uvloop_columns(descriptor))
        return columns > 0 ? columns : nil
    }

    /// The mode that was set last.
    public private(set) var mode = Mode.original
    private let original: TerminalState
    private var resizes: SignalHandle?
    /// Watches for SIGCONT while the mode is not the original one: the shell that stopped this process may have set its
    /// own.
    private var continues: SignalHandle?

    /// Opens the terminal of a descriptor: usually 0 to read from, 1 to write to. The caller keeps the descriptor, and
    /// may close it afterwards.
    ///
    /// A terminal that cannot be opened anew, for instance another user's, is used through a copy of the descriptor;
    /// its writes then block while the terminal takes nothing.
    ///
    /// - Throws: ``UVError/notTerminal``, ``UVError/badDescriptor``, ``UVError/tooManyOpenFiles``.
    public init(_ descriptor: Int32, on loop: Loop) throws(UVError) {
        let present = try TerminalState(of: descriptor)
        // The terminal may be in raw mode already, set through descriptor 0 for instance; the mode to restore is the
        // one before.
        original = TerminalGuard.original(of: descriptor) ?? present
        let copy = try Descriptors.duplicate(descriptor)
        let number = copy.number
        do throws(UVError) {
            // libuv opens the terminal anew, so that making it non-blocking affects nobody else, and replaces the
            // descriptor that it is given (H94); it is therefore given a copy.
            try super.init(uv_tty_t.self, on: loop, isConnected: true) { uv_tty_init(loop.raw, $0, number, 0) }
        } catch {
            copy.close()
            throw error
        }
        _ = copy.release()
    }

    /// Sets the mode, for everybody who uses the terminal.
    ///
    /// A mode other than the original one is undone when the stream closes, when the process exits, and when a signal
    /// ends the process by its default action: while such a mode lasts, these signals are handled unless other code
    /// handles them, and raised again. SIGKILL cannot be caught. If the process is stopped and continued in such a
    /// mode, the mode is set again.
    ///
    /// - Throws: ``UVError/ioError`` for a terminal that has hung up, ``UVError/canceled`` if the loop has closed the
    /// stream.
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
                    // The terminal has hung up, which reading reports.
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
    /// - Throws: ``UVError/ioError`` for a terminal that has hung up. A terminal that was never given a size has 0
    /// columns and rows.
    public var windowSize: WindowSize {
        get throws(UVError) {
            guard isUsable("Terminal.windowSize: the terminal is closed") else { throw .canceled }
            var (columns, rows): (CInt, CInt) = (0, 0)
            try check(uv_tty_get_winsize(raw.tty, &columns, &rows))
            return WindowSize(columns: Int(columns), rows: Int(rows))
        }
    }

    /// Calls `body` whenever the window's size has changed; does not keep the loop running. Uses SIGWINCH, so works
    /// only for the terminal that this process belongs to.
    ///
    /// - Throws: the errors of ``SignalHandle/init(on:)``.
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

    /// The window's size; nil for a terminal that has hung up.
    private var currentSize: WindowSize? {
        do throws(UVError) { return try windowSize } catch { return nil }
    }

    /// Treats EIO as the end: the terminal's window has closed.
    override func readError(_ error: UVError) -> UVError? { error == .ioError ? nil : error }

    override var hasPeerThatFinishes: Bool { false }

    override func willClose() {
        if mode != .original, let descriptor = openDescriptor {
            do throws(UVError) { try restore(descriptor) } catch {
                // The terminal has hung up, so there is nothing to restore.
            }
        }
        resizes?.close()
        resizes = nil
        super.willClose()
    }

    /// The descriptor, available even while the stream closes.
    private var openDescriptor: Int32? {
        var descriptor: uv_os_fd_t = -1
        return uv_fileno(raw, &descriptor) == 0 ? descriptor : nil
    }
}
