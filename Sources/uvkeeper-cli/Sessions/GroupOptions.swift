import ArgumentParser
import KeeperProtocol

/// The options for a session's control group: its own scope, and the limits there.
struct GroupOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Whether the session leaves a service that would take it along, for a scope of its own: auto, require, off.",
            discussion:
                "auto: if it can, and its log says why it could not. require: or it is not started. Default: auto.",
            valueName: "policy"),
        completion: .list(ScopePolicy.allCases.map(\.rawValue)),
        transform: { text in
            guard let policy = ScopePolicy(rawValue: text) else {
                throw ValidationError("--scope takes auto, require or off, and not '\(text)'")
            }
            return policy
        })
    var scope: ScopePolicy?

    @Option(
        help: ArgumentHelp(
            "The most memory of the session; beyond it a process of it is killed. Bytes, or with K, M, G or T; 1M at least.",
            valueName: "size"))
    var memoryMax: MemorySize?

    @Option(help: ArgumentHelp("The memory beyond which the session is slowed down.", valueName: "size"))
    var memoryHigh: MemorySize?

    @Option(help: ArgumentHelp("The processor time of the session, in percent of one processor.", valueName: "percent"))
    var cpuQuota: ProcessorShare?

    @Option(help: ArgumentHelp("The most processes and threads of the session.", valueName: "count"))
    var tasksMax: TaskCount?

    var limits: SessionLimits {
        SessionLimits(
            memoryMaximum: memoryMax?.value, memoryHigh: memoryHigh?.value, cpuQuota: cpuQuota?.value,
            tasksMaximum: tasksMax?.value)
    }

    func validate() throws {
        guard scope == .off, !limits.isEmpty else { return }
        throw ValidationError("limits need a control group of the session's own; leave --scope off out, or the limits")
    }
}

/// A limit of memory in bytes.
struct MemorySize: ExpressibleByArgument {
    let value: UInt64

    init?(argument: String) {
        guard let value = SessionLimits.bytes(argument) else { return nil }
        self.value = value
    }
}

/// Percent of one processor, 1 to 100,000, with or without `%`.
struct ProcessorShare: ExpressibleByArgument {
    let value: UInt64

    init?(argument: String) {
        guard let value = SessionLimits.percent(argument) else { return nil }
        self.value = value
    }
}

/// A number of at least 1.
struct TaskCount: ExpressibleByArgument {
    let value: UInt64

    init?(argument: String) {
        guard let value = SessionLimits.count(argument) else { return nil }
        self.value = value
    }
}
