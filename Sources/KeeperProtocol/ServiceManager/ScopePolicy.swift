/// The policy by which a keeper leaves the control group of the service that started it, for a scope of its own.
public enum ScopePolicy: String, Hashable, Sendable, Codable, CaseIterable {
    /// The keeper stays where it was started.
    case off
    /// The keeper leaves if the service's stop would take it along, or if the session has limits; if it cannot leave,
    /// it logs why and stays.
    case auto
    /// The keeper leaves as for ``auto``; if it cannot, or a limit cannot be set, the session is not started.
    case require
}
