/// Texts of numbers, for people.
enum Texts {
    static func count(_ value: Int) -> String {
        var digits = String(abs(value))
        var text = ""
        while digits.count > 3 {
            text = "," + digits.suffix(3) + text
            digits.removeLast(3)
        }
        return (value < 0 ? "-" : "") + digits + text
    }

    static func bytes(_ value: Double) -> String {
        var value = value
        for unit in ["B", "KiB", "MiB"] {
            if value < 1024 { return "\(decimal(value)) \(unit)" }
            value /= 1024
        }
        return "\(decimal(value)) GiB"
    }

    /// Returns the text of a time in milliseconds.
    static func time(_ milliseconds: Double) -> String {
        milliseconds >= 1000 ? "\(decimal(milliseconds / 1000)) s" : "\(decimal(milliseconds)) ms"
    }

    /// Returns a number with three digits at most.
    static func decimal(_ value: Double) -> String {
        let places = value >= 100 ? 1.0 : value >= 10 ? 10.0 : value >= 1 ? 100.0 : 1000.0
        let rounded = (value * places).rounded() / places
        return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
    }
}
