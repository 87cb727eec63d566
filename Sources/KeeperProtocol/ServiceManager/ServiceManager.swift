package import UVLoop

/// The service manager that this process may ask for a scope: root's is the system's, another user's is their own, which can
/// take a process from a service of the system's as well.
package struct ServiceManager {
    /// The path of its bus.
    package let bus: String
    /// True if it made the group of the process: it knows the group's unit, and its slice.
    package let knowsGroup: Bool
    private let userID: UInt32

    /// A bus named by `DBUS_SESSION_BUS_ADDRESS` is not asked: it may be one of `dbus-run-session`, without a service manager.
    package init(userID: UInt32, _ environment: ProcessEnvironment, _ group: ControlGroup?) {
        self.userID = userID
        if userID == 0 {
            let named = environment["DBUS_SYSTEM_BUS_ADDRESS"].flatMap { BusAddress.path(in: $0) }
            bus = named ?? "/run/dbus/system_bus_socket"
            knowsGroup = group?.managingUser == nil
        } else {
            let own = "/run/user/\(userID)/bus"
            // Below `sudo -u` there is no such variable, or the directory is another user's.
            let directory = environment["XDG_RUNTIME_DIR"].flatMap { $0.hasPrefix("/") ? $0 : nil }
            let named = directory.map { "\($0)/bus" } ?? own
            bus = Files.exists(named) ? named : own
            knowsGroup = group?.managingUser == userID
        }
    }

    /// Words after the reason why there is no scope.
    package var advice: String {
        guard userID != 0, !Files.exists(bus) else { return "" }
        return "; user \(userID) has a service manager of their own while they are logged in, or always after loginctl "
            + "enable-linger"
    }
}
