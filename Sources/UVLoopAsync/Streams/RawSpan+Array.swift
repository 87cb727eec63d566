extension Array where Element == UInt8 {
    /// A copy of what was lent.
    init(_ bytes: RawSpan) {
        self = bytes.withUnsafeBytes { Array($0) }
    }
}
