import TestSupport
import Testing
import UVLoop

@Suite("Who gets in") struct AccessTests {
    @Test("who does not know the token is told how to") func token() throws {
        try withDashboard { home in
            for path in ["/", "/main.js", "/api/sessions", "/api/events", "/api/sessions/a/output", "/nothing"] {
                let answer = try home.ask("GET", path, headers: ["Authorization": nil])
                #expect(answer.status == 401, "\(path)")
                #expect(try answer.json["error"]["code"] == "no-token", "\(path)")
            }
            let name = try home.cookie().prefix { $0 != "=" }
            for guess in ["", "token-of-the-test", "token-of-the-tests ", "token-of-the-testx", "Token-of-the-tests"] {
                let answer = try home.ask("GET", "/api/sessions", headers: ["Authorization": "Bearer \(guess)x"])
                #expect(try answer.status == 401 && answer.json["error"]["code"] == "wrong-token", "\(guess)")
                let cookie = try home.ask(
                    "GET", "/api/sessions", headers: ["Authorization": nil, "Cookie": "\(name)=\(guess)x"])
                #expect(cookie.status == 401)
            }
            #expect(try home.ask("GET", "/api/sessions").status == 200)
        }
    }

    @Test("the printed address gives a cookie that no script can read, and leads to the address without the token")
    func exchange() throws {
        try withDashboard { home in
            let answer = try home.ask("GET", home.server.entrance, headers: ["Authorization": nil])
            #expect(answer.status == 303 && answer.headers["location"] == "/")
            let cookie = try #require(answer.headers["set-cookie"])
            #expect(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/"))
            let pair = String(cookie.prefix { $0 != ";" })
            let page = try home.ask("GET", "/", headers: ["Authorization": nil, "Cookie": pair])
            #expect(page.status == 200 && page.text.contains("<title>UVKeeper</title>"))
            let wrong = try home.ask("GET", "/?token=another-token-of-tests", headers: ["Authorization": nil])
            #expect(wrong.status == 401 && wrong.headers["set-cookie"] == nil)
        }
    }

    @Test("requests that another page or another name has sent are refused, token or not")
    func others() throws {
        try withDashboard { home in
            let own = home.server.origin
            func code(_ headers: [String: String?], _ method: String = "GET") throws -> String? {
                try home.ask(method, "/api/sessions", method == "GET" ? nil : [:], headers: headers).json["error"][
                    "code"
                ].text
            }
            for host in ["example.org", "example.org:\(home.server.port)", "127.0.0.1.example.org", "", "127.0.0.2"] {
                #expect(try code(["Host": host]) == "foreign-host", "\(host)")
            }
            for origin in ["http://example.org", "null", "\(own)0", own.replacing("http:", with: "https:")] {
                #expect(try code(["Origin": origin]) == "foreign-origin", "\(origin)")
                #expect(try code(["Origin": origin], "POST") == "foreign-origin", "\(origin)")
            }
            #expect(try code(["Sec-Fetch-Site": "cross-site"]) == "foreign-origin")
            // Another server of this machine.
            #expect(try code(["Sec-Fetch-Site": "same-site"]) == "foreign-origin")
            // A cookie goes with a form that another page has made up, and such a form may come without Origin.
            let cookie = ["Authorization": nil, "Cookie": try home.cookie()] as [String: String?]
            #expect(try code(cookie, "POST") == "no-origin")
            let reading = try home.ask("GET", "/api/sessions", headers: cookie.merging(["Origin": own]) { $1 })
            #expect(reading.status == 200)
            #expect(try code(cookie.merging(["Origin": own]) { $1 }, "POST") == "bad-request")
            // By another name of this machine, through a tunnel with another port.
            let tunnel = ["Host": "localhost:9000", "Origin": "http://" + "localhost:9000"]
            #expect(try home.ask("GET", "/api/sessions", headers: tunnel).status == 200)
        }
    }

    @Test("every answer forbids what comes from elsewhere, a refusal too") func headers() throws {
        try withDashboard { home in
            for path in ["/", "/api/sessions", "/api/nothing"] {
                for token in ["Bearer \(DashboardHome.token)", nil] {
                    let answer = try home.ask("GET", path, headers: ["Authorization": token])
                    let policy = try #require(answer.headers["content-security-policy"])
                    #expect(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"))
                    #expect(!policy.contains("unsafe"))
                    #expect(answer.headers["x-content-type-options"] == "nosniff")
                    #expect(answer.headers["referrer-policy"] == "no-referrer")
                    #expect(answer.headers["cache-control"] == "no-store")
                }
            }
        }
    }

    @Test("it listens on this machine's own address only") func address() throws {
        try withDashboard { home in
            let digits = String(home.server.port, radix: 16, uppercase: true)
            let end = ":" + String(repeating: "0", count: 4 - digits.count) + digits
            var addresses: [Substring] = []
            for file in ["tcp", "tcp6"] {
                let sockets = try Files.read("/proc/\(home.server.process.pid)/net/\(file)", limit: 1 << 22)
                for line in String(decoding: sockets, as: UTF8.self).split(separator: "\n") {
                    let fields = line.split(separator: " ")
                    // A socket that listens.
                    guard fields.count > 3, fields[3] == "0A", fields[1].hasSuffix(end) else { continue }
                    addresses.append(fields[1].dropLast(end.count))
                }
            }
            #expect(addresses == ["0100007F"])
        }
    }

    @Test("without a token a server makes one, which the next one has, too, and which nobody else can read")
    func tokenFile() throws {
        try withTemporaryDirectory { base in
            try withLoop { loop in
                let first = try RunningServer(sessions: "\(base)/s", token: nil, on: loop)
                try first.end()
                let second = try RunningServer(sessions: "\(base)/s", token: nil, on: loop)
                try second.end()
                let token = try String(decoding: Files.read("\(base)/s/dashboard.token", limit: 100), as: UTF8.self)
                #expect(first.address.hasSuffix("/?token=\(token)") && second.address.hasSuffix("/?token=\(token)"))
                #expect(token.utf8.count > 30)
                #expect(try Files.status(of: "\(base)/s/dashboard.token").permissions == 0o600)
                #expect(!first.errors.contains(token))
            }
        }
    }
}
