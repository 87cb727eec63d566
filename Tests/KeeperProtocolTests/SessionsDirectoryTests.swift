import KeeperProtocol
import Testing

@Suite("Sessions directory")
struct SessionsDirectoryTests {
    @Test(
        "The base is PI_DASHBOARD_HOME, or the home directory if that is unset or blank",
        arguments: [
            (nil, "/home/u", "/home/u/.pi/dashboard/sessions"),
            ("", "/home/u", "/home/u/.pi/dashboard/sessions"),
            (" \t\n", "/home/u", "/home/u/.pi/dashboard/sessions"),
            ("/d", "/home/u", "/d/.pi/dashboard/sessions"),
            ("/d/", "/home/u", "/d/.pi/dashboard/sessions"),
            ("/", "/home/u", "/.pi/dashboard/sessions"),
            (nil, "/", "/.pi/dashboard/sessions"),
            (" /d e ", "/home/u", "/d e/.pi/dashboard/sessions"),
            ("\u{FEFF}/d\u{A0}", "/home/u", "/d/.pi/dashboard/sessions"),
            ("rel/ative", "/home/u", "rel/ative/.pi/dashboard/sessions"),
            ("/d", "", "/d/.pi/dashboard/sessions"),
        ] as [(String?, String, String)]
    )
    func findsPath(dashboardHome: String?, home: String, expected: String) {
        #expect(path(dashboardHome, home: home, .posix) == expected)
    }

    @Test("There is none when no base is given and home is not absolute", arguments: ["", "relative", "~", " /x"])
    func refusesRelativeHome(home: String) {
        #expect(path(nil, home: home, .posix) == nil)
        #expect(path("  ", home: home, .posix) == nil)
    }

    @Test("On Windows a drive or a share is absolute")
    func windows() {
        #expect(path(nil, home: #"C:\Users\u"#, .windows) == #"C:\Users\u\.pi\dashboard\sessions"#)
        #expect(path(nil, home: #"\\server\share"#, .windows) == #"\\server\share\.pi\dashboard\sessions"#)
        #expect(path(#"D:\"#, home: #"C:\Users\u"#, .windows) == #"D:\.pi\dashboard\sessions"#)
        #expect(path(nil, home: #"\Users"#, .windows) == nil)
        #expect(path(nil, home: "C:", .windows) == nil)
    }

    private func path(_ dashboardHome: String?, home: String, _ platform: KeeperPlatform) -> String? {
        let environment = dashboardHome.map { ["PI_DASHBOARD_HOME": $0] } ?? [:]
        return SessionsDirectory.path(environment: environment, home: home, platform: platform)
    }

    @Test("is none if the base begins with ~, and the sentence names the variable") func unexpanded() {
        for value in ["~", "~/x", " ~/x", "~me"] {
            let environment = ["PI_DASHBOARD_HOME": value]
            #expect(SessionsDirectory.path(environment: environment, home: "/h") == nil)
            #expect(
                SessionsDirectory.unexpanded(environment: environment, home: "/h")?.hasPrefix("PI_DASHBOARD_HOME is ~")
                    == true)
        }
        #expect(SessionsDirectory.unexpanded(environment: [:], home: "~/h")?.hasPrefix("HOME is ~/h,") == true)
        #expect(SessionsDirectory.unexpanded(environment: ["PI_DASHBOARD_HOME": "/h"], home: "~/h") == nil)
        #expect(SessionsDirectory.unexpanded(environment: [:], home: "") == nil)
        let path = SessionsDirectory.path(environment: ["PI_DASHBOARD_HOME": "./~"], home: "/h", platform: .posix)
        #expect(path == "./~/.pi/dashboard/sessions")
    }
}
