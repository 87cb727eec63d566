package import UVLoop

/// The service manager that this process may ask for a scope: the system's for root, and each other user's own, which
/// can also take a process from a service of the system.
package struct ServiceManager {
    /// The paths of the manager's bus sockets, to be tried in this order; at least one.
    package let buses: [String]
    /// True if the manager made the process's group, and so knows the group's unit and slice.
    package let knowsGroup: Bool
    private let userID: UInt32

    /// A bus named by `DBUS_SESSION_BUS_ADDRESS` is not used: it may be one of `dbus-run-session`, without a service
    /// manager.
    package init(userID: UInt32, _ environment: ProcessEnvironment, _ group: ControlGroup?) {
        self.userID = userID
        if userID == 0 {
            let named = environment["DBUS_SYSTEM_BUS_ADDRESS"].map { BusAddress.paths(in: $0) } ?? []
            buses = named.isEmpty ? ["/run/dbus/system_bus_socket"] : named
            knowsGroup = group?.managingUser == nil
        } else {
            let own = "/run/user/\(userID)/bus"
            // Under `sudo -u` the variable is missing, or its directory is another user's.
            let named = environment["XDG_RUNTIME_DIR"].flatMap { $0.hasPrefix("/") ? "\($0)/bus" : nil }
            if let named, named != own { buses = [named, own] } else { buses = [own] }
            knowsGroup = group?.managingUser == userID
        }
    }

    /// The words of advice after the reason why there is no scope.
    package var advice: String {
        guard userID != 0, !buses.contains(where: { Files.exists($0) }) else { return "" }
        return "; user \(userID) has a service manager of their own while they are logged in, or always after loginctl "
            + "enable-linger"
    }
}
