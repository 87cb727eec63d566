/// Fixed-width hexadecimal numbers in memory.
enum Hex {
    @inline(__always)
    static func write(_ value: UInt64, digits: Int, to base: UnsafeMutableRawPointer) {
        var value = value
        var index = digits
        while index > 0 {
            index -= 1
            let digit = UInt8(truncatingIfNeeded: value & 15)
            base.storeBytes(of: digit < 10 ? 48 + digit : 87 + digit, toByteOffset: index, as: UInt8.self)
            value >>= 4
        }
    }

    /// Reads a number; nil if there is anything but lower-case hex digits.
    @inline(__always)
    static func read(_ base: UnsafeRawPointer, digits: Int) -> UInt64? {
        var value: UInt64 = 0
        var index = 0
        while index < digits {
            let byte = base.load(fromByteOffset: index, as: UInt8.self)
            switch byte {
            case 48...57: value = value << 4 | UInt64(byte &- 48)
            case 97...102: value = value << 4 | UInt64(byte &- 87)
            default: return nil
            }
            index += 1
        }
        return value
    }
}
