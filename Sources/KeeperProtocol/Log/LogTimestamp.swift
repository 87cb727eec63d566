/// The timestamps of the log.
public enum LogTimestamp {
    /// `2026-01-02T03:04:05.678Z`: the UTC time `millisecondsSinceEpoch` after 1970, without leap seconds.
    ///
    /// Equal to JavaScript's `new Date(milliseconds).toISOString()`: proleptic Gregorian calendar, and outside the
    /// years 0000 to 9999 a sign and at least six digits (`-000001-12-31T...`). Defined for every `Int64`, while
    /// JavaScript refuses years beyond about 275000.
    public static func text(millisecondsSinceEpoch: Int64) -> String {
        let (day, millisecond) = floorDivide(millisecondsSinceEpoch, 86_400_000)
        let date = civil(day: day)
        var text =
            (0...9999).contains(date.year)
            ? padded(date.year, 4) : (date.year < 0 ? "-" : "+") + padded(abs(date.year), 6)
        text += "-\(padded(date.month, 2))-\(padded(date.day, 2))"
        text += "T\(padded(millisecond / 3_600_000, 2)):\(padded(millisecond / 60_000 % 60, 2))"
        text += ":\(padded(millisecond / 1000 % 60, 2)).\(padded(millisecond % 1000, 3))Z"
        return text
    }

    /// The date that is `day` days after 1970-01-01.
    ///
    /// The computation uses eras of 400 years that begin on 1 March, so that the leap day is the last of its year.
    private static func civil(day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floorDivide(day + 719_468, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, dayOfMonth)
    }

    /// Division that rounds down, so that times before 1970 fall on the right day.
    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}
