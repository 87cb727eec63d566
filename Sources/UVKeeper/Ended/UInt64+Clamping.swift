extension UInt64 {
    /// Adds a size that others have chosen: files with holes can have more bytes together than there are numbers.
    mutating func addClamped(_ other: UInt64) {
        let (sum, isTooLarge) = addingReportingOverflow(other)
        self = isTooLarge ? .max : sum
    }
}
