/// The scope that a keeper asks a service manager for, and moves into.
package struct ScopeRequest: Hashable, Sendable {
    /// How the name of a session's scope begins.
    package static let prefix = "uvkeeper-"

    /// Of this process.
    package let pid: Int32
    /// `uvkeeper-<session>-<epoch>.scope`: one for each life of a session, so a scope that is still being collected is in
    /// nobody's way. A session's name has no byte that a unit's name would have to escape, and fits: a unit's name has 255.
    package let unit: String
    package let description: String
    /// The slice of the service it leaves, so that what is bounded there stays so; nil: as the manager sees fit.
    package let slice: String?
    package let limits: SessionLimits

    package init(
        session: SessionID, epoch: String, pid: Int32, slice: String? = nil, limits: SessionLimits = SessionLimits(),
    ) {
        self.pid = pid
        unit = "\(ScopeRequest.prefix)\(session)-\(epoch).scope"
        description = "UVKeeper session \(session)"
        self.slice = slice
        self.limits = limits
    }

    /// The body of `StartTransientUnit`: name, mode, properties, auxiliary units.
    static let signature = "ssa(sv)a(sa(sv))"

    func write(_ body: inout BusWriter) {
        body.string(unit)
        // A unit of this name would be another's.
        body.string("fail")
        body.array(elementsAt: 8) { properties in
            func property(_ name: String, _ type: String, _ value: (inout BusWriter) -> Void) {
                properties.align(8)
                properties.string(name)
                properties.variant(type, value)
            }
            property("PIDs", "au") { $0.array(elementsAt: 4) { $0.uint32(UInt32(pid)) } }
            property("Description", "s") { $0.string(description) }
            // A scope that has failed goes as well.
            property("CollectMode", "s") { $0.string("inactive-or-failed") }
            if let slice { property("Slice", "s") { $0.string(slice) } }
            // The child gets a group of its own inside.
            property("Delegate", "b") { $0.boolean(true) }
            // Microseconds of processor time for each second.
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
