import Foundation
import KeeperProtocol

/// The events that would end a session because of its place, and the remedies, in words.
enum PlaceText {
    /// The words for a running session; nil if its keeper does not tell its place.
    static func words(_ place: SessionPlace) -> String? {
        guard let path = place.controlGroup, let group = ControlGroup("0::\(path)\n") else { return nil }
        let end: String
        switch group.unit {
        case .service(let unit) where place.survivesServiceStop == true:
            end = "survives the stop of \(unit), whose KillMode spares its processes"
        case .service(let unit) where place.survivesServiceStop == nil: end = inPIDNamespace(unit)
        case .service where group.services.count > 1:
            let services = group.services.joined(separator: " or ")
            end = "ends when \(services) is stopped or restarted: its group is below theirs"
        case .service(let unit):
            end =
                "ends when \(unit) is stopped or restarted, unless its KillMode is process or none; a start with --scope auto "
                + "and without PI_KEEPER_CGROUP gives a session a scope of its own"
        case .scope where place.survivesServiceStop == false:
            end = "ends with the service that started it: its keeper was moved here too late, its child was not"
        case .scope(let unit) where group.isContainers:
            end = "nobody can tell: a container's (\(unit)); it ends with that, at the latest with its process 1"
        case .scope(let unit) where place.survivesServiceStop == nil: end = inPIDNamespace(unit)
        case .scope(let unit) where unit.hasPrefix("session-"):
            end = "survives a service's stop; the logout ends it if KillUserProcesses=yes in logind.conf"
        case .scope(let unit):
            end =
                "survives a service's stop; systemctl \(group.managingUser == nil ? "" : "--user ")stop \(unit) ends it"
        case .none:
            end = "nobody can tell: no unit of a service manager's; in a container it ends with process 1"
        }
        return end + (group.managingUser.map(lingering) ?? "")
    }

    private static func inPIDNamespace(_ unit: String) -> String {
        "nobody can tell: in \(unit), and in a pid namespace of its own; it ends with that, at the latest with its process 1"
    }

    /// The warning about a user's service manager, which ends some seconds after the last logout, and all its processes
    /// with it.
    private static func lingering(_ userID: UInt32) -> String {
        guard let name = userName(userID) else {
            return "; the manager of user \(userID) ends with their last login, and the session with it"
        }
        guard !FileManager.default.fileExists(atPath: "/var/lib/systemd/linger/\(name)") else { return "" }
        return "; it ends with the service manager of \(name), seconds after their last logout: loginctl enable-linger "
            + "\(name) changes that"
    }

    private static func userName(_ userID: UInt32) -> String? {
        guard let entry = getpwuid(userID), let name = entry.pointee.pw_name else { return nil }
        return String(cString: name)
    }
}
