import TestSupport
import Testing
import UVLoop

@Suite("The server's start") struct StartTests {
    @Test("one that cannot serve says why, with a status for scripts") func refusals() throws {
        try withDashboard { home in
            func run(_ arguments: String...) throws -> (ProcessExit?, String) {
                try runProgram(BuiltProducts.executable("dashboard"), arguments)
            }
            let taken = try run("--port", "\(home.server.port)", "--sessions-dir", home.sessions)
            #expect(taken.0 == .exited(code: 1) && taken.1.contains("port \(home.server.port) is taken"), "\(taken)")
            // Others can exchange what is in it.
            try Files.makeDirectory(at: "\(home.base)/open", permissions: 0o777)
            let exposed = try run("--port", "0", "--sessions-dir", "\(home.base)/open")
            #expect(exposed.0 == .exited(code: 1) && exposed.1.contains("\(home.base)/open"), "\(exposed)")
            for wrong in [["--port", "65536"], ["--token", "short"], ["--unknown"], ["more"]] {
                let result = try runProgram(BuiltProducts.executable("dashboard"), wrong)
                #expect(result.status == .exited(code: 64), "\(wrong): \(result.output)")
            }
            let help = try run("--help")
            #expect(
                help.0 == .exited(code: 0) && help.1.contains("--sessions-dir") && help.1.contains("dashboard.token"))
        }
    }

    @Test("children of its sessions do not get the token") func environment() throws {
        try withDashboard { home in
            try home.start("env", ["sh", "-c", "env; echo end; exec cat"])
            let output = try home.events("/api/sessions/env/output")
            try output.read { $0.contains { $0.data["text"].text?.contains("end\n") == true } }
            #expect(
                try output.text("out").contains("DASHBOARD_TEST=") && !output.text("out").contains(DashboardHome.token))
            output.close()
        }
    }
}
