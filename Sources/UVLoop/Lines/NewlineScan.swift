internal import CLibUV

/// Finds newlines in bytes, from either end.
package enum NewlineScan {
    package static let newline = UInt8(ascii: "\n")

    /// The offset of the first newline in `bytes`, counted from their start.
    package static func first(in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress, let found = memchr(base, Int32(newline), bytes.count) else { return nil }
        return UnsafeRawPointer(found) - base
    }

    /// How many newlines there are in `bytes`.
    package static func count(in bytes: UnsafeRawBufferPointer) -> Int {
        var (count, rest) = (0, bytes)
        while let offset = first(in: rest) {
            count += 1
            rest = UnsafeRawBufferPointer(rebasing: rest[(offset + 1)...])
        }
        return count
    }

    /// The offset of the last newline in `bytes`, counted from their start.
    ///
    /// By hand, because `memrchr` exists on Linux only, and there Swift does not see it. Mostly the answer is in the last
    /// few bytes; it is a long line in many chunks that makes it worth to look at 32 bytes at a time.
    package static func last(in bytes: UnsafeRawBufferPointer) -> Int? {
        var end = bytes.count
        while end >= 32, !blockHoldsNewline(bytes, at: end - 32) { end -= 32 }
        while end > 0, bytes[end - 1] != newline { end -= 1 }
        return end > 0 ? end - 1 : nil
    }

    /// Whether there is a newline in the 32 bytes at `offset`.
    ///
    /// In each word a newline becomes a zero byte, and subtracting 1 from every byte sets the top bit of a zero one. The
    /// borrow can set its neighbour's bit too, so the bits do not say where, but some bit is set only if there is one.
    private static func blockHoldsNewline(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        var bits: UInt64 = 0
        for part in 0..<4 {
            let word = bytes.loadUnaligned(fromByteOffset: offset + part * 8, as: UInt64.self) ^ 0x0A0A_0A0A_0A0A_0A0A
            bits |= (word &- 0x0101_0101_0101_0101) & ~word
        }
        return bits & 0x8080_8080_8080_8080 != 0
    }
}
