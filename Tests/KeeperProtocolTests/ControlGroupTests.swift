import KeeperProtocol
import Testing

@Suite("Control groups") struct ControlGroupTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var text: String
        var path: String?
        var unit = ControlGroup.Unit.none
        var slice: String?
        var user: UInt32?
        var isUnified = true
        var isHybrid = false
        var survives: Bool?
    }

    private static let hybrid = "12:memory:/\n9:cpu,cpuacct:/\n"
    static let cases = [
        Case(
            testDescription: "a service", text: "0::/system.slice/my-server.service\n",
            path: "/system.slice/my-server.service", unit: .service("my-server.service"), slice: "system.slice",
            survives: false),
        Case(
            testDescription: "a group inside a service", text: "0::/system.slice/a.service/workers/b\n",
            path: "/system.slice/a.service/workers/b", unit: .service("a.service"), slice: "system.slice",
            survives: false),
        Case(
            testDescription: "an instance in a slice of slices",
            text: "0::/system.slice/system-a.slice/a@b.service\n", path: "/system.slice/system-a.slice/a@b.service",
            unit: .service("a@b.service"), slice: "system-a.slice", survives: false),
        Case(
            testDescription: "a user's service",
            text: "0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.service\n",
            path: "/user.slice/user-1000.slice/user@1000.service/app.slice/a.service", unit: .service("a.service"),
            slice: "app.slice", user: 1000, survives: false),
        Case(
            testDescription: "a user's service without a slice of the user's manager",
            text: "0::/user.slice/user-1000.slice/user@1000.service/a.service\n",
            path: "/user.slice/user-1000.slice/user@1000.service/a.service", unit: .service("a.service"),
            slice: "-.slice", user: 1000, survives: false),
        Case(
            testDescription: "a user's manager itself", text: "0::/user.slice/user-7.slice/user@7.service\n",
            path: "/user.slice/user-7.slice/user@7.service", unit: .service("user@7.service"), slice: "user-7.slice",
            survives: false),
        Case(
            testDescription: "a login", text: "0::/user.slice/user-1000.slice/session-3.scope\n",
            path: "/user.slice/user-1000.slice/session-3.scope", unit: .scope("session-3.scope"),
            slice: "user-1000.slice", survives: true),
        Case(
            testDescription: "a container, seen from without",
            text: "0::/system.slice/docker-0123456789abcdef.scope\n",
            path: "/system.slice/docker-0123456789abcdef.scope", unit: .scope("docker-0123456789abcdef.scope"),
            slice: "system.slice"),
        Case(
            testDescription: "a scope below a service",
            text: "0::/system.slice/a.service/uvkeeper-s-0123456789abcdef.scope\n",
            path: "/system.slice/a.service/uvkeeper-s-0123456789abcdef.scope", unit: .service("a.service"),
            slice: "system.slice", survives: false),
        Case(
            testDescription: "a container's scope below a service", text: "0::/a.service/b/docker-0123.scope/x\n",
            path: "/a.service/b/docker-0123.scope/x", unit: .service("a.service"), slice: "-.slice", survives: false),
        Case(
            testDescription: "a user's scope, the user's manager below a service",
            text: "0::/a.service/user@7.service/app.slice/b.scope\n",
            path: "/a.service/user@7.service/app.slice/b.scope",
            unit: .service("a.service"), slice: "app.slice", user: 7, survives: false),
        Case(
            testDescription: "a user's scope", text: "0::/user.slice/user@7.service/app.slice/b.scope/child\n",
            path: "/user.slice/user@7.service/app.slice/b.scope/child", unit: .scope("b.scope"), slice: "app.slice",
            user: 7, survives: true),
        Case(
            testDescription: "a group of a user's manager that is no unit", text: "0::/user@7.service/app.slice/x\n",
            path: "/user@7.service/app.slice/x", unit: .service("user@7.service"), slice: "app.slice", user: 7,
            survives: false),
        Case(testDescription: "a container's root", text: "0::/\n", path: "/"),
        Case(testDescription: "a host without systemd", text: "0::/a/b\n", path: "/a/b"),
        Case(
            testDescription: "version 1", text: "5:memory:/a.slice\n1:name=systemd:/system.slice/a.service\n",
            path: "/system.slice/a.service", unit: .service("a.service"), slice: "system.slice", isUnified: false,
            isHybrid: true, survives: false),
        Case(
            testDescription: "hybrid, where systemd uses both",
            text: hybrid + "1:name=systemd:/system.slice/a.service\n0::/system.slice/a.service\n",
            path: "/system.slice/a.service", unit: .service("a.service"), slice: "system.slice", isHybrid: true,
            survives: false),
        Case(
            testDescription: "version 1, and version 2 unused beside it",
            text: hybrid + "1:name=systemd:/system.slice/a.service\n0::/\n", path: "/system.slice/a.service",
            unit: .service("a.service"), slice: "system.slice", isUnified: false, isHybrid: true, survives: false),
        Case(
            testDescription: "a path with colons and spaces", text: "0::/a:b c/d.service\n", path: "/a:b c/d.service",
            unit: .service("d.service"), slice: "-.slice", survives: false),
        Case(
            testDescription: "slices that a service has made inside itself",
            text: "0::/lim.slice/a.service/inner.slice/my thing.slice/app\n",
            path: "/lim.slice/a.service/inner.slice/my thing.slice/app", unit: .service("a.service"),
            slice: "lim.slice",
            survives: false),
        Case(
            testDescription: "a slice inside a scope of a user's",
            text: "0::/user.slice/user@7.service/app.slice/a.scope/b.slice/c.service\n",
            path: "/user.slice/user@7.service/app.slice/a.scope/b.slice/c.service", unit: .service("c.service"),
            slice: "app.slice", user: 7, survives: false),
        Case(
            testDescription: "a directory that no slice can have made", text: "0::/my thing.slice/a.service\n",
            path: "/my thing.slice/a.service", unit: .service("a.service"), survives: false),
        Case(
            testDescription: "a service outside of the cgroup namespace", text: "0::/../a.service\n",
            path: "/../a.service", unit: .service("a.service"), survives: false),
        Case(testDescription: "a version 1 without systemd", text: "5:memory:/x\n", path: nil),
        Case(testDescription: "nothing", text: "", path: nil),
        Case(testDescription: "garbage", text: "0:\n::\n0::relative\n\u{0}", path: nil),
        Case(
            testDescription: "a service and a slice with names of controllers", text: "0::/_memory.slice/_io.service\n",
            path: "/_memory.slice/_io.service", unit: .service("io.service"), slice: "memory.slice", survives: false),
        Case(
            testDescription: "a service whose own name begins with an underscore", text: "0::/a.slice/__x.service/_b\n",
            path: "/a.slice/__x.service/_b", unit: .service("_x.service"), slice: "a.slice", survives: false),
        Case(
            testDescription: "a name that only ends like one", text: "0::/a.slice/service\n", path: "/a.slice/service",
            slice: "a.slice"),
    ]

    @Test("a process's place is read", arguments: cases)
    func reads(how: Case) {
        let group = ControlGroup(how.text)
        #expect(group?.path == how.path)
        let place = SessionPlace(group)
        #expect(place.controlGroup == how.path && place.survivesServiceStop == how.survives)
        guard let group else { return }
        #expect(group.unit == how.unit && group.slice == how.slice && group.managingUser == how.user)
        #expect(group.isUnified == how.isUnified && group.isHybrid == how.isHybrid && !group.isSessions)
    }

    @Test("only a slice that the manager takes is named")
    func sliceNames() {
        func slice(_ name: String) -> String? { ControlGroup("0::/\(name)/a.service\n")?.slice }
        let longest = String(repeating: "x", count: 249) + ".slice"
        for name in ["-.slice", "a.slice", "a-b-c.slice", "a:b_c.d\\x2d1.slice", longest] {
            #expect(slice(name) == (name == "-.slice" ? nil : name), "\(name)")
        }
        for name in [
            ".slice", "-a.slice", "a-.slice", "a--b.slice", "a b.slice", "a@b.slice", "é.slice", "x" + longest,
        ] {
            #expect(slice(name) == nil, "\(name)")
        }
    }

    @Test("a session's own scope is told from others, and one inside another's is the inner one's")
    func own() throws {
        let scope = try #require(ControlGroup("0::/system.slice/uvkeeper-a-0123456789abcdef.scope/child\n"))
        #expect(scope.isSessions && scope.slice == "system.slice")
        #expect(scope.unit == .scope("uvkeeper-a-0123456789abcdef.scope"))
        let nested = try #require(ControlGroup("0::/uvkeeper-a-0123456789abcdef.scope/x/b.service\n"))
        #expect(!nested.isSessions && nested.unit == .service("b.service"))
        #expect(nested.isInside(scope: "uvkeeper-a-0123456789abcdef.scope") && !nested.isInside(scope: "b.scope"))
    }

    @Test("each service around a process ends it; one that spares its processes does not speak for the other")
    func severalServices() throws {
        let group = try #require(ControlGroup("0::/a.service/b.service/c.scope\n"))
        #expect(group.services == ["b.service", "a.service"] && group.unit == .service("b.service"))
        #expect(SessionPlace(group, killMode: "process").survivesServiceStop == false)
        #expect(try #require(ControlGroup("0::/x.slice/a.scope\n")).services == [])
    }

    @Test(
        "a service that spares its processes is survived", arguments: ["process", "none", "control-group", "mixed", ""])
    func killMode(mode: String) {
        let place = SessionPlace(ControlGroup("0::/a.service\n"), killMode: mode)
        #expect(place.survivesServiceStop == (mode == "process" || mode == "none"))
    }
}
