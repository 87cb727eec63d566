internal import UVLoop

/// The place of a process in the tree of control groups, from `/proc/<pid>/cgroup`, and the systemd unit of that place.
package struct ControlGroup: Hashable, Sendable {
    /// The path below the root of the hierarchy, with a slash at its beginning: `/system.slice/my-server.service`.
    package let path: String
    /// True if the hierarchy is version 2; only there can a session have limits.
    package let isUnified: Bool
    /// True if a hierarchy of version 1 has the controllers, as on hybrid hosts.
    package let isHybrid: Bool

    /// The unit that a process belongs to.
    package enum Unit: Hashable, Sendable {
        /// A service: its stop ends everything in its control group, unless its `KillMode` says otherwise.
        case service(String)
        /// A scope; a session may have a scope of its own.
        case scope(String)
        /// No unit: the root of a container, a host without systemd, a slice.
        case none
    }

    /// The group that the text names; nil if there is none.
    ///
    /// - Parameter text: lines of `<number>:<controllers>:<path>`. The line of systemd's own hierarchy counts: version
    ///   2's if systemd uses it, else `name=systemd`.
    package init?(_ text: String) {
        var unified: Substring?
        var named: Substring?
        var hasControllers = false
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, fields[2].first == UInt8(ascii: "/") else { continue }
            switch Substring(fields[1]) {
            case "": if Substring(fields[0]) == "0" { unified = Substring(fields[2]) }
            case "name=systemd": named = Substring(fields[2])
            default: hasControllers = true
            }
        }
        // Version 2 may be mounted beside version 1 and not be in use.
        let isUnifiedUsed = named == nil || unified != nil && unified != "/"
        let found = isUnifiedUsed ? unified : named
        guard let found else { return nil }
        path = String(found)
        isUnified = isUnifiedUsed
        isHybrid = hasControllers
    }

    /// The group of this process; nil if there is no `/proc`, or the system has no control groups.
    package static var current: ControlGroup? { of("self") }

    private static let usualLength = 4096
    private static let longest = 65_536

    /// The group of a process.
    package static func of(_ process: String) -> ControlGroup? {
        do throws(UVError) {
            let file = try OpenFile("/proc/\(process)/cgroup", .readOnly)
            defer { file.close() }
            var text = try file.read(from: 0, limit: usualLength)
            // A container's path may be long, and version 1 repeats it for each of a dozen hierarchies.
            if text.count == usualLength { text = try file.read(from: 0, limit: longest) }
            return ControlGroup(String(decoding: text, as: UTF8.self))
        } catch {
            return nil
        }
    }

    /// True if the group is outside of this process's cgroup namespace, so that its path is not one below the mount point.
    package var isOutside: Bool { path.split(separator: "/").contains("..") }

    /// The names of the groups on the path, as systemd has named their units: an underscore goes before a directory's name
    /// that the kernel could take for a file of its own (`_memory.service`), and before one that begins with one.
    private var components: [Substring] {
        path.split(separator: "/").map { $0.utf8.first == UInt8(ascii: "_") ? $0.dropFirst() : $0 }
    }

    /// The services around the process, the innermost first: the stop of any of them ends it, also if it is in a scope
    /// below. A user's service manager is none of them if the process is in a unit of that manager's.
    package var services: [String] {
        let units = components.indices.filter { isUnit($0, ".service") || isUnit($0, ".scope") }
        return units.reversed().filter { isUnit($0, ".service") && ($0 == units.last || $0 != userManager) }
            .map { String(components[$0]) }
    }

    /// The unit that decides how the process ends: the innermost service, which may have groups of its own inside; the
    /// innermost scope if there is no service.
    package var unit: Unit {
        if let service = services.first { return .service(service) }
        let scope = components.indices.last { isUnit($0, ".scope") }
        return scope.map { .scope(String(components[$0])) } ?? .none
    }

    /// True if the process is in the group of a scope, or in one below it.
    package func isInside(scope: String) -> Bool { components.contains { $0 == scope } }

    private func isUnit(_ index: Int, _ end: String) -> Bool {
        components[index].utf8.reversed().starts(with: end.utf8.reversed())
    }

    /// The slice that the manager's unit is in, for a new unit beside it; nil if that is unknown. Groups that a unit has
    /// made inside, whatever their names are, are none of the manager's slices. A unit in no other slice is in the
    /// topmost, `-.slice`.
    package var slice: String? {
        guard !isOutside else { return nil }
        let parts = components.indices.dropFirst(userManager.map { $0 + 1 } ?? 0)
        let unit = parts.first { isUnit($0, ".service") || isUnit($0, ".scope") }
        let slice = parts.last { isUnit($0, ".slice") && $0 < unit ?? parts.endIndex }
        guard let slice else { return unit.map { _ in "-.slice" } }
        return ControlGroup.isSliceName(components[slice]) ? String(components[slice]) : nil
    }

    /// True if the manager takes the name of a slice: its parts, between single hyphens, are the slices around it.
    private static func isSliceName(_ name: Substring) -> Bool {
        let stem = name.utf8.dropLast(".slice".utf8.count)
        return name.utf8.count <= 255 && !stem.isEmpty
            && stem.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty }
            && stem.allSatisfy { byte in
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
                    || "-:_.\\".utf8.contains(byte)
            }
    }

    private var userManager: Int? {
        components.indices.dropLast().last { components[$0].hasPrefix("user@") && isUnit($0, ".service") }
    }

    /// The user whose service manager made the group; nil if the system's manager did.
    package var managingUser: UInt32? {
        userManager.flatMap { UInt32(components[$0].dropFirst("user@".utf8.count).prefix { $0 != "." }) }
    }

    /// True if the unit's name is one that a container engine gives: the process is in a container that shares the
    /// host's namespace of control groups.
    package var isContainers: Bool {
        guard case .scope(let name) = unit else { return false }
        return ["docker-", "libpod-", "crio-", "cri-containerd-"].contains { name.hasPrefix($0) }
    }

    /// True if the unit is a session's own scope.
    package var isSessions: Bool {
        if case .scope(let name) = unit { name.hasPrefix(ScopeRequest.prefix) } else { false }
    }
}
