/// A 64-bit checksum, eight bytes at a step: several gigabytes a second when optimised. The sum protects against
/// accidents, not attackers.
enum Checksum {
    @inline(__always)
    static func of(_ base: UnsafeRawPointer, count: Int, seed: UInt64) -> UInt64 {
        var sum = seed ^ (UInt64(count) &* 0x9E37_79B9_7F4A_7C15)
        var offset = 0
        while offset &+ 8 <= count {
            sum = mix(sum, base.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset &+= 8
        }
        var rest: UInt64 = 0
        while offset < count {
            rest = rest << 8 | UInt64(base.load(fromByteOffset: offset, as: UInt8.self))
            offset &+= 1
        }
        return mix(mix(sum, rest), sum >> 32)
    }

    @inline(__always)
    private static func mix(_ sum: UInt64, _ word: UInt64) -> UInt64 {
        let product = (sum ^ word) &* 0xD6E8_FEB8_6659_FD93
        return product ^ (product >> 32)
    }
}
