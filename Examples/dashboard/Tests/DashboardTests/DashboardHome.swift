import TestSupport
import Testing
import UVLoop

/// The server in a directory of its own, with a loop that drives the test.
final class DashboardHome {
    static let token = "token-of-the-tests"
    /// A temporary directory, and the sessions directory in it.
    let base: String
    var sessions: String { "\(base)/s" }
    let loop: Loop
    private(set) var server: RunningServer

    fileprivate init(base: String, on loop: Loop) throws {
        self.base = base
        self.loop = loop
        server = try RunningServer(sessions: "\(base)/s", on: loop)
    }

    /// Starts the next server on the port of the last one.
    func restart() throws { server = try RunningServer(sessions: sessions, port: server.port, on: loop) }

    // MARK: Requests

    /// Sends a request and waits for the answer. A header that is nil is left out.
    func ask(
        _ method: String, _ path: String, _ body: JSON? = nil, headers: [String: String?] = [:],
    ) throws -> HTTPAnswer {
        try answer(to: exchange(method, path, body.map { try $0.encoded }, headers: headers))
    }

    func answer(to exchange: HTTPExchange) throws -> HTTPAnswer {
        try exchange.read()
        try run(loop) { exchange.isEnded || HTTPAnswer(exchange.bytes) != nil }
        exchange.close()
        return try #require(HTTPAnswer(exchange.bytes), "\(String(decoding: exchange.bytes, as: UTF8.self))")
    }

    /// Sends a request; what comes back is not read yet.
    func exchange(
        _ method: String, _ path: String, _ body: [UInt8]? = nil, headers: [String: String?] = [:],
    ) throws -> HTTPExchange {
        var fields: [String: String?] = [
            "Host": "127.0.0.1:\(server.port)", "Authorization": "Bearer \(DashboardHome.token)",
        ]
        if let body {
            fields["Content-Type"] = "application/json"
            fields["Content-Length"] = "\(body.count)"
        }
        fields.merge(headers) { $1 }
        let head = fields.compactMap { name, value in value.map { "\(name): \($0)\r\n" } }.joined()
        return try HTTPExchange(
            Array("\(method) \(path) HTTP/1.1\r\n\(head)\r\n".utf8) + (body ?? []), port: server.port, on: loop)
    }

    /// The cookie that a browser is given, with its name.
    func cookie() throws -> String {
        let answer = try ask("GET", server.entrance, headers: ["Authorization": nil])
        return String(try #require(answer.headers["set-cookie"]).prefix { $0 != ";" })
    }

    /// Follows a stream of events, behind one if there is one.
    func events(_ path: String, after id: String? = nil) throws -> EventReader {
        try EventReader(exchange("GET", path, headers: ["Last-Event-ID": id]), on: loop)
    }

    // MARK: Sessions

    @discardableResult
    func start(_ id: String, _ command: [String], labels: JSON = [:]) throws -> JSON {
        let answer = try ask(
            "POST", "/api/sessions",
            [
                "id": .string(id), "command": .array(command.map { .string($0) }), "labels": labels,
                "directory": .string(base),
            ])
        try #require(answer.status == 201, "\(answer.text)")
        return try answer.json
    }

    func send(_ lines: [String], to id: String) throws -> [String] {
        let answer = try ask(
            "POST", "/api/sessions/\(id)/lines", ["lines": .array(lines.map { .string($0) })])
        return try answer.json["outcomes"].elements.map { $0["outcome"].text ?? "\($0)" }
    }

    @discardableResult
    func stop(_ id: String) throws -> JSON {
        try ask("POST", "/api/sessions/\(id)/stop", ["endOfInput": 0, "terminate": 0]).json
    }

    fileprivate func cleanUp() throws {
        if server.status != nil { try restart() }
        for session in try ask("GET", "/api/sessions").json.elements where session["exit"] == .null {
            try stop(session["id"].text ?? "")
        }
        #expect(try server.end() == .exited(code: 0), "\(server.errors)")
        // Keepers whose sessions have just ended are about to.
        var left: [Int32] = []
        try run(loop) {
            left = ProcessFigures.processes(withEnvironmentContaining: base)
            return left.isEmpty
        }
        #expect(left.isEmpty, "\(left.map { ProcessDetails.arguments(of: $0) ?? [] })")
        for pid in left { try? Processes.send(.kill, to: pid) }
    }
}

/// Runs `body` with a server; at the end its sessions are stopped, and it ends by SIGTERM.
func withDashboard(sourceLocation: SourceLocation = #_sourceLocation, _ body: (DashboardHome) throws -> Void) throws {
    try withTemporaryDirectory { base in
        try withLoop(sourceLocation: sourceLocation) { loop in
            let home = try DashboardHome(base: base, on: loop)
            do { try body(home) } catch { Issue.record(error, sourceLocation: sourceLocation) }
            try home.cleanUp()
        }
    }
}
