extension Array where Element == UInt8 {
    /// A copy of lent bytes.
    init(_ bytes: RawSpan) {
        self = bytes.withUnsafeBytes { Array($0) }
    }
}
