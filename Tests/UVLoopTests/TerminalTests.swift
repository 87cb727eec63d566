import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A terminal") struct TerminalTests {
    @Test("gives every key at once in raw mode, without echo, and lines otherwise") func keys() throws {
        try withTerminal { loop, pair, terminal in
            var got = ""
            try terminal.readStart(
                onBytes: { _, bytes in bytes.withUnsafeBytes { got += String(decoding: $0, as: UTF8.self) } },
                onEnd: { _, _ in })
            type("line", pair)
            type("\n", pair)
            try run(loop) { got == "line\n" }
            #expect(try read(pair, until: "\n") == "line\r\n", "the echo")
            try terminal.setMode(.raw)
            #expect(terminal.mode == .raw)
            type("k", pair)
            try run(loop) { got == "line\nk" }
            // The interrupt is a key like others.
            type("\u{3}\r", pair)
            try run(loop) { got == "line\nk\u{3}\r" }
            terminal.write("a\nb")
            #expect(try read(pair, until: "b") == "a\r\nb", "no echo, and a new line goes to the margin")
            try terminal.setMode(.binary)
            terminal.write("c\nd")
            #expect(try read(pair, until: "d") == "c\nd")
        }
    }

    @Test("is put back when the stream closes, and is blocking for others all the time") func putsBack() throws {
        try withTerminal { loop, pair, terminal in
            let before = settings(pair)
            try terminal.setMode(.raw)
            #expect(settings(pair) != before)
            #expect(fcntl(pair.terminal, F_GETFL) & O_NONBLOCK == 0)
            var isClosed = false
            terminal.close { isClosed = true }
            try run(loop) { isClosed }
            #expect(settings(pair) == before)
            #expect(fcntl(pair.terminal, F_GETFL) & O_NONBLOCK == 0)
        }
    }

    /// The options of AddressSanitizer, which handles signals too, and takes memory in use at the end for leaks.
    private static let withoutSanitizer =
        "detect_leaks=0:handle_segv=0:handle_abort=0:handle_sigill=0:handle_sigbus=0:handle_sigfpe=0:handle_sigtrap=0"

    @Test("is put back although two streams had it in another mode, whichever closes first", arguments: [true, false])
    func twice(closesFirstFirst: Bool) throws {
        try withTerminal { loop, pair, terminal in
            let before = settings(pair)
            try terminal.setMode(.raw)
            let other = try Terminal(pair.terminal, on: loop)
            try other.setMode(.binary)
            for stream in closesFirstFirst ? [terminal, other] : [other, terminal] { stream.close() }
            loop.run(.noWait)
            #expect(settings(pair) == before)
        }
    }

    @Test(
        "is put back at every end of the process that can be caught",
        arguments: [
            "exit", "return", "close", "\(SIGHUP)", "\(SIGINT)", "\(SIGQUIT)", "\(SIGTERM)", "\(SIGSEGV)", "\(SIGABRT)",
            "\(SIGILL)", "\(SIGUSR1)", "\(SIGXCPU)",
        ], ["raw", "binary"])
    func everyEnd(how: String, mode: String) throws {
        try withTerminal { loop, pair, _ in
            let before = settings(pair)
            var status: ProcessExit?
            var environment = ProcessEnvironment.current
            environment["SWIFT_BACKTRACE"] = "enable=no"
            for name in ["ASAN_OPTIONS", "TSAN_OPTIONS"] { environment[name] = TerminalTests.withoutSanitizer }
            let child = try ChildProcess(
                .init(
                    executable: siblingExecutable("uvloop-test-helper"), arguments: ["terminal-ends", how, mode],
                    environment: environment, stdio: [.descriptor(pair.terminal), .ignore, .descriptor(2)]), on: loop
            ) { status = $1 }
            child.killWhenCanceled()
            try run(loop) { status != nil }
            #expect(status == CInt(how).map { .signaled(Signal(rawValue: $0)) } ?? .exited(code: 0))
            #expect(settings(pair) == before)
        }
    }

    @Test(
        "is put back before Swift's own handlers tell of a fault",
        .disabled(if: BuiltProducts.haveThreadSanitizer, "its runtime has handlers between the two"),
        arguments: [SIGQUIT, SIGABRT, SIGSEGV])
    func faults(signal: CInt) throws {
        try withTerminal { loop, pair, _ in
            let before = settings(pair)
            var status: ProcessExit?
            var environment = ProcessEnvironment.current
            // The backtracer runs a trivial program, to save seconds; its handlers are installed all the same.
            environment["SWIFT_BACKTRACE"] = "enable=yes,interactive=no,swift-backtrace=/bin/true"
            for name in ["ASAN_OPTIONS", "TSAN_OPTIONS"] { environment[name] = TerminalTests.withoutSanitizer }
            let child = try ChildProcess(
                .init(
                    executable: siblingExecutable("uvloop-test-helper"),
                    arguments: ["terminal-ends", "\(signal)", "raw"],
                    environment: environment, stdio: [.descriptor(pair.terminal), .ignore, .ignore]), on: loop
            ) { status = $1 }
            child.killWhenCanceled()
            try run(loop) { status != nil }
            #expect(status == .exited(code: 0))
            #expect(settings(pair) == before)
        }
    }

    @Test("leaves the signal handlers of others alone") func handlers() throws {
        try withTerminal { loop, pair, _ in
            var status: ProcessExit?
            var environment = ProcessEnvironment.current
            for name in ["ASAN_OPTIONS", "TSAN_OPTIONS"] { environment[name] = TerminalTests.withoutSanitizer }
            let child = try ChildProcess(
                .init(
                    executable: siblingExecutable("uvloop-test-helper"), arguments: ["terminal-keeps-handlers"],
                    environment: environment, stdio: [.descriptor(pair.terminal), .ignore, .descriptor(2)]), on: loop
            ) { status = $1 }
            child.killWhenCanceled()
            try run(loop) { status != nil }
            #expect(status == .exited(code: 0))
        }
    }

    @Test("tells its size, and when that changes") func size() throws {
        try withTerminal { loop, pair, terminal in
            resize(pair, columns: 80, rows: 24)
            #expect(try terminal.windowSize == .init(columns: 80, rows: 24))
            var sizes: [Terminal.WindowSize] = []
            try terminal.onResize { sizes.append($1) }
            // The signal is the one that the system sends to the processes of a terminal.
            kill(getpid(), SIGWINCH)
            resize(pair, columns: 100, rows: 30)
            kill(getpid(), SIGWINCH)
            try run(loop) { !sizes.isEmpty }
            #expect(sizes == [.init(columns: 100, rows: 30)])
        }
    }

    @Test("ends when its window closes") func hangsUp() throws {
        try withTerminal { loop, pair, terminal in
            try terminal.setMode(.raw)
            var ends: [UVError?] = []
            try terminal.readStart(onBytes: { _, _ in }, onEnd: { ends.append($1) })
            // The new descriptor gets the controller's number, for the fixture to close.
            let other = open("/dev/null", O_RDWR)
            dup2(other, pair.controller)
            close(other)
            try run(loop) { !ends.isEmpty }
            #expect(ends == [nil])
        }
    }

    @Test("has nothing to finish but what is queued") func finishes() throws {
        try withTerminal { loop, pair, terminal in
            var told: [UVError?] = []
            terminal.write("last words") { told.append($0) }
            terminal.finish(deadline: hangTimeout) { told.append($0) }
            try run(loop) { told.count == 2 }
            #expect(told == [nil, nil])
            #expect(try read(pair, until: "words") == "last words")
        }
    }

    @Test("is made of nothing else") func refused() throws {
        try withLoop { loop in
            let (reading, writing) = pipePair()
            #expect(throws: UVError.notTerminal) { try Terminal(reading, on: loop) }
            #expect(throws: UVError.badDescriptor) { try Terminal(-1, on: loop) }
            #expect(!Terminal.isTerminal(reading))
            close(reading)
            close(writing)
        }
    }

    private func withTerminal(_ body: (Loop, PseudoTerminal, Terminal) throws -> Void) throws {
        try withLoop { loop in
            let pair = try #require(PseudoTerminal())
            defer {
                close(pair.controller)
                close(pair.terminal)
            }
            let terminal = try Terminal(pair.terminal, on: loop)
            defer { terminal.close() }
            try body(loop, pair, terminal)
        }
    }

    private func type(_ text: String, _ pair: PseudoTerminal) {
        #expect(Libc.write(pair.controller, text, text.utf8.count) == text.utf8.count)
    }

    /// Returns the output of the terminal, up to `end`.
    private func read(_ pair: PseudoTerminal, until end: String) throws -> String {
        var text = ""
        // The text is compared by bytes: to Swift, "\r\n" is one character, which does not end with "\n".
        while !text.utf8.reversed().starts(with: end.utf8.reversed()) {
            let bytes = try Descriptors.read(from: pair.controller, limit: 4096)
            guard !bytes.isEmpty else { break }
            text += String(decoding: bytes, as: UTF8.self)
        }
        return text
    }

    private func settings(_ pair: PseudoTerminal) -> [tcflag_t] {
        var state = termios()
        #expect(tcgetattr(pair.terminal, &state) == 0)
        return [state.c_iflag, state.c_oflag, state.c_cflag, state.c_lflag]
    }

    private func resize(_ pair: PseudoTerminal, columns: UInt16, rows: UInt16) {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        #expect(ioctl(pair.controller, UInt(TIOCSWINSZ), &size) == 0)
    }
}
