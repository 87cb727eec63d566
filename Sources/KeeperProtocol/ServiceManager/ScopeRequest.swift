/// The scope that a keeper asks a service manager for, and moves into.
package struct ScopeRequest: Hashable, Sendable {
    /// The beginning of the names of sessions' scopes.
    package static let prefix = "uvkeeper-"

    /// The name of the scope, `uvkeeper-<session>-<epoch>.scope`. Each life of a session has its own, so a former scope
    /// that is still being collected is not in the way. A session's name needs no escapes in a unit's name, and fits
    /// into its 255 bytes.
    package let unit: String
    package let description: String
    /// The slice of the service that the keeper leaves, so that limits set there still hold; nil: the manager decides.
    package let slice: String?
    package let limits: SessionLimits

    package init(
        session: SessionID, epoch: String, slice: String? = nil, limits: SessionLimits = SessionLimits(),
    ) {
        unit = "\(ScopeRequest.prefix)\(session)-\(epoch).scope"
        description = "UVKeeper session \(session)"
        self.slice = slice
        self.limits = limits
    }

    /// The body of `StartTransientUnit`: name, mode, properties, auxiliary units.
    static let signature = "ssa(sv)a(sa(sv))"

    func write(_ body: inout BusWriter) {
        body.string(unit)
        // The mode "fail": an existing unit of this name belongs to another process.
        body.string("fail")
        body.array(elementsAt: 8) { properties in
            func property(_ name: String, _ type: String, _ value: (inout BusWriter) -> Void) {
                properties.align(8)
                properties.string(name)
                properties.variant(type, value)
            }
            // Zero is the sender of the message. Whom the bus takes for that was asked before.
            property("PIDs", "au") { $0.array(elementsAt: 4) { $0.uint32(0) } }
            property("Description", "s") { $0.string(description) }
            // The scope is removed also if it has failed.
            property("CollectMode", "s") { $0.string("inactive-or-failed") }
            if let slice { property("Slice", "s") { $0.string(slice) } }
            // The keeper makes a group for the child inside the scope, for which it must be delegated.
            property("Delegate", "b") { $0.boolean(true) }
            // The processor time is in microseconds for each second.
            for (name, value) in [
                ("MemoryMax", limits.memoryMaximum), ("MemoryHigh", limits.memoryHigh),
                ("CPUQuotaPerSecUSec", limits.cpuQuota.map { $0 * 10_000 }), ("TasksMax", limits.tasksMaximum),
            ] {
                guard let value else { continue }
                property(name, "t") { $0.uint64(value) }
            }
        }
        body.array(elementsAt: 8) { _ in }
    }
}
