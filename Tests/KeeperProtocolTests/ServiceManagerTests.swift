import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@Suite("The service manager that is asked") struct ServiceManagerTests {
    private static let service = ControlGroup("0::/system.slice/a.service\n")
    private static let ofUser = ControlGroup("0::/user.slice/user-7.slice/user@7.service/app.slice/a.service\n")

    private func manager(
        _ userID: UInt32, _ variables: [String: String] = [:], _ group: ControlGroup? = service,
    ) -> ServiceManager { ServiceManager(userID: userID, ProcessEnvironment(variables), group) }

    @Test("root asks the system's, by its well-known socket or the one that is named")
    func root() {
        #expect(manager(0).buses == ["/run/dbus/system_bus_socket"] && manager(0).advice == "")
        #expect(manager(0, ["DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/a/b,guid=1"]).buses == ["/a/b"])
        #expect(manager(0, ["DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/a;unix:path=/b"]).buses == ["/a", "/b"])
        for address in ["", "tcp:host=x", "unix:abstract=/x"] {
            #expect(manager(0, ["DBUS_SYSTEM_BUS_ADDRESS": address]).buses == ["/run/dbus/system_bus_socket"])
        }
        #expect(manager(0).knowsGroup && manager(0, [:], nil).knowsGroup)
        #expect(!manager(0, [:], Self.ofUser).knowsGroup, "a user's unit is not the system's")
        #expect(manager(0, ["XDG_RUNTIME_DIR": "/x"]).buses == ["/run/dbus/system_bus_socket"])
    }

    @Test("another user asks their own; a directory without a bus, and a session's bus, are not theirs")
    func user() throws {
        try withTemporaryDirectory { directory in
            let none = manager(7, ["XDG_RUNTIME_DIR": directory])
            #expect(none.buses == ["\(directory)/bus", "/run/user/7/bus"])
            #expect(none.advice.contains("user 7") && none.advice.contains("linger"))
            try Posix.write("", to: "\(directory)/bus")
            let own = manager(7, ["XDG_RUNTIME_DIR": directory, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/session"])
            #expect(own.buses == ["\(directory)/bus", "/run/user/7/bus"] && own.advice == "")
        }
        let variables = ["DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/a", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/b"]
        #expect(manager(7, variables).buses == ["/run/user/7/bus"])
        #expect(manager(7, ["XDG_RUNTIME_DIR": "/run/user/7"]).buses == ["/run/user/7/bus"])
        #expect(manager(7, ["XDG_RUNTIME_DIR": "run"]).buses == ["/run/user/7/bus"])
        #expect(manager(7, [:], Self.ofUser).knowsGroup && !manager(8, [:], Self.ofUser).knowsGroup)
        #expect(!manager(7).knowsGroup, "a unit of the system's is not the user's")
    }
}
