internal import CLibUV

/// Finds newlines in bytes, from either end.
package enum NewlineScan {
    package static let newline = UInt8(ascii: "\n")

    /// Returns the offset of the first newline in `bytes`, counted from their start.
    package static func first(in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress, let found = memchr(base, Int32(newline), bytes.count) else { return nil }
        return UnsafeRawPointer(found) - base
    }

    /// Returns the number of newlines in `bytes`.
    package static func count(in bytes: UnsafeRawBufferPointer) -> Int {
        var (count, rest) = (0, bytes)
        while let offset = first(in: rest) {
            count += 1
            rest = UnsafeRawBufferPointer(rebasing: rest[(offset + 1)...])
        }
        return count
    }

    /// Returns the offset of the last newline in `bytes`, counted from their start.
    ///
    /// Written by hand, because `memrchr` exists on Linux only, and Swift does not import it there. The newline is
    /// mostly in the last few bytes; 32 bytes at a time pay off for a long line in many chunks.
    package static func last(in bytes: UnsafeRawBufferPointer) -> Int? {
        var end = bytes.count
        while end >= 32, !blockHoldsNewline(bytes, at: end - 32) { end -= 32 }
        while end > 0, bytes[end - 1] != newline { end -= 1 }
        return end > 0 ? end - 1 : nil
    }

    /// True if there is a newline in the 32 bytes at `offset`.
    ///
    /// The XOR turns each newline into a zero byte, and subtracting 1 from every byte sets the top bit of a zero byte.
    /// The borrow can also set the bit of its neighbour, so the bits do not show the place, but a bit is set only if
    /// there is a newline.
    private static func blockHoldsNewline(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        var bits: UInt64 = 0
        for part in 0..<4 {
            let word = bytes.loadUnaligned(fromByteOffset: offset + part * 8, as: UInt64.self) ^ 0x0A0A_0A0A_0A0A_0A0A
            bits |= (word &- 0x0101_0101_0101_0101) & ~word
        }
        return bits & 0x8080_8080_8080_8080 != 0
    }
}
