import ArgumentParser

/// The bounds of an option that takes a number: from 0, or from above 0, to a limit of its own.
enum NumberBounds {
    /// Throws unless the value is missing or within the bounds.
    ///
    /// - Parameters:
    ///   - unit: what the number counts, for the message.
    ///   - allowsZero: true if 0 is allowed.
    ///   - limit: the least number that is too large.
    static func check(
        _ value: Double?, of option: String, _ unit: String = "seconds", allowsZero: Bool, below limit: Int = 1_000_000,
    ) throws {
        guard let value else { return }
        guard value > 0 || allowsZero && value == 0, value < Double(limit) else {
            throw ValidationError(
                "\(option) takes \(unit), \(allowsZero ? "0 or more" : "more than 0") and less than \(limit)")
        }
    }
}
