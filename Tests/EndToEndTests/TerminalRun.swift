import Libc
import TestSupport
import Testing
import UVKeeper

/// One run of the `uvkeeper` command whose stdin, stdout and stderr are a terminal.
final class TerminalRun {
    /// What the terminal has shown.
    private(set) var shown = ""
    private(set) var status: ProcessExit?
    /// True once everything that was written to the terminal has been shown.
    private var isShown = false
    private let loop: Loop
    private let screen: PipeStream

    private init(_ arguments: [String], home: String, _ pair: PseudoTerminal, _ loop: Loop) throws {
        self.loop = loop
        var environment = ProcessEnvironment.current
        environment["PI_DASHBOARD_HOME"] = home
        let configuration = ChildProcess.Configuration(
            executable: BuiltProducts.executable("uvkeeper"), arguments: arguments, environment: environment,
            stdio: [.descriptor(pair.terminal), .descriptor(pair.terminal), .descriptor(pair.terminal)])
        screen = try PipeStream(takingOwnershipOf: dup(pair.controller), on: loop)
        try screen.readStart(
            onBytes: { [unowned self] _, bytes in
                bytes.withUnsafeBytes { shown += String(decoding: $0, as: UTF8.self) }
            }, onEnd: { [unowned self] _, _ in isShown = true })
        let child = try ChildProcess(configuration, on: loop) { [unowned self] _, exit in status = exit }
        child.killWhenCanceled()
        // The controller's side ends when nobody has the terminal's any more.
        close(pair.terminal)
    }

    /// Runs the command; `body` types and looks, and the command has to end by itself after it.
    @discardableResult
    static func of(
        _ arguments: String..., home: String, columns: UInt16? = nil, _ body: (TerminalRun) throws -> Void = { _ in },
    ) throws -> TerminalRun {
        let pair = try #require(PseudoTerminal(columns: columns))
        defer { close(pair.controller) }
        var result: TerminalRun?
        try withLoop { loop in
            let run = try TerminalRun(arguments, home: home, pair, loop)
            defer { run.screen.close() }
            result = run
            try body(run)
            try run.eventually { run.status != nil && run.isShown }
        }
        return try #require(result)
    }

    func type(_ text: String) { screen.write(text) }

    func eventually(_ condition: () -> Bool) throws { try TestSupport.run(loop, until: condition) }
}
