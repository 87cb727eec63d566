/// The place of a session among the control groups, and if the stop of the service that started it ends the session.
public struct SessionPlace: Hashable, Sendable, Codable {
    /// The keeper's control group; nil if the system has none.
    public var controlGroup: String?
    /// True if the session lives on when the service that started it is stopped or restarted: it has a scope of its
    /// own, or the service's `KillMode` spares it. False if the session ends with a service, be it in a scope below that;
    /// a service whose `KillMode` was not asked for, because the scope is ``ScopePolicy/off``, is taken to have the
    /// default. Nil if that is unknown: in a container, in a pid namespace that ends with its own process 1, or without
    /// systemd.
    public var survivesServiceStop: Bool?

    package init(controlGroup: String? = nil, survivesServiceStop: Bool? = nil) {
        self.controlGroup = controlGroup
        self.survivesServiceStop = survivesServiceStop
    }

    /// The place of a process in a control group.
    ///
    /// - Parameter killMode: the `KillMode` of the group's service, from the service manager; nil if it was not asked.
    ///   A service then counts as ending all its processes, which is the default.
    package init(_ group: ControlGroup?, killMode: String? = nil) {
        controlGroup = group?.path
        switch group?.unit {
        case .service:
            // Another service around that one was not asked.
            survivesServiceStop = group?.services.count == 1 && (killMode == "process" || killMode == "none")
        case .scope: survivesServiceStop = group?.isContainers == true ? nil : true
        case ControlGroup.Unit.none?, nil: survivesServiceStop = nil
        }
    }

    /// The place of this process, or of its child: unknown in a pid namespace that ends before the unit may do.
    package static func ofThisProcess(_ group: ControlGroup?, killMode: String? = nil) -> SessionPlace {
        var place = SessionPlace(group, killMode: killMode)
        if place.survivesServiceStop != nil, PIDNamespace.isInner { place.survivesServiceStop = nil }
        return place
    }

    /// The members of a record and of a status that hold the place.
    package var members: [JSONValue.Member] {
        guard let controlGroup else { return [] }
        return [
            .init("controlGroup", .string(controlGroup)),
            .init("survivesServiceStop", survivesServiceStop.map { .bool($0) } ?? .null),
        ]
    }

    package init(_ json: JSONValue) {
        controlGroup = json["controlGroup"]?.text
        survivesServiceStop = json["survivesServiceStop"]?.flag
    }
}
