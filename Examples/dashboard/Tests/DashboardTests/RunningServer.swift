import TestSupport
import Testing
import UVLoop

/// A server that runs.
final class RunningServer {
    let process: ChildProcess
    private(set) var port = 0
    private(set) var status: ProcessExit?
    private(set) var errors = ""
    private var output = ""
    private let loop: Loop

    /// Starts it and waits until it listens. Its environment names the sessions directory, so that what it starts is found.
    init(sessions: String, port: Int = 0, token: String? = DashboardHome.token, on loop: Loop) throws {
        self.loop = loop
        var environment = ProcessEnvironment.current
        environment["UVKEEPER_DASHBOARD_TOKEN"] = token
        environment["DASHBOARD_TEST"] = sessions
        var ended: (ProcessExit) -> Void = { _ in }
        process = try ChildProcess(
            .init(
                executable: BuiltProducts.executable("dashboard"),
                arguments: ["--port", "\(port)", "--sessions-dir", sessions], environment: environment,
                stdio: [.ignore, .pipe, .pipe]), on: loop
        ) { ended($1) }
        ended = { [unowned self] in status = $0 }
        process.killWhenCanceled()
        try collect(1) { [unowned self] in output += $0 }
        try collect(2) { [unowned self] in errors += $0 }
        try run(loop) { output.hasSuffix("\n") || status != nil }
        self.port = try #require(origin.split(separator: ":").last.flatMap { Int($0) }, "\(errors)")
    }

    /// What it has printed.
    var address: String { String(output.dropLast()) }

    /// The address without a path.
    var origin: String { address.split(separator: "/?").first.map { String($0) } ?? "" }

    /// The path in it, with the token.
    var entrance: String { "/" + address.split(separator: "/").last! }

    private func collect(_ descriptor: Int, _ add: @escaping (String) -> Void) throws {
        try process.streams[descriptor]?.readStart(
            onBytes: { _, bytes in bytes.withUnsafeBytes { add(String(decoding: $0, as: UTF8.self)) } },
            onEnd: { stream, _ in stream.close() })
    }

    /// Ends it by a signal, and waits for its end.
    @discardableResult
    func end(by signal: Signal = .terminate) throws -> ProcessExit? {
        try process.kill(signal)
        try run(loop) { status != nil && process.streams.allSatisfy { $0?.isClosing ?? true } }
        process.close()
        return status
    }
}
