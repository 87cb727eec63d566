/// Whether a keeper leaves the control group of the service that started it, for a scope of its own.
public enum ScopePolicy: String, Hashable, Sendable, Codable, CaseIterable {
    /// It stays where it was started.
    case off
    /// It leaves if the service's stop would take it along, or if the session has limits; if it cannot, it says why in its log
    /// and stays.
    case auto
    /// As ``auto``; if it cannot leave, or a limit cannot be set, the session is not started.
    case require
}
