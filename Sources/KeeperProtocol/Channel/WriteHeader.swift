internal import UVLoop

/// The header of a `write`, read in one pass with its newline: the way of nearly every line.
package struct WriteHeader: Hashable, Sendable {
    package let sequence: UInt64
    package let length: Int

    package init(sequence: UInt64, length: Int) {
        self.sequence = sequence
        self.length = length
    }

    /// Reads the header at `position`, which is moved behind its newline.
    ///
    /// Nil, and nothing is moved, if it has not come whole, or is any other header, a malformed one too.
    package init?(in bytes: UnsafeRawBufferPointer, at position: inout Int) {
        var place = position
        guard bytes.count - place > 6,
            bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self) == 0x7469_7277.littleEndian,
            bytes[place + 4] == UInt8(ascii: "e"), bytes[place + 5] == UInt8(ascii: " ")
        else { return nil }
        place += 6
        guard let sequence = WriteHeader.number(in: bytes, at: &place, endingWith: UInt8(ascii: " ")),
            let length = WriteHeader.number(in: bytes, at: &place, endingWith: NewlineScan.newline)
        else { return nil }
        self.sequence = sequence
        self.length = Int(length)
        position = place
    }

    /// Reads a number of at most 15 digits, without a leading zero, and the byte behind it.
    private static func number(
        in bytes: UnsafeRawBufferPointer, at position: inout Int, endingWith end: UInt8,
    ) -> UInt64? {
        let start = position
        var number: UInt64 = 0
        while position < bytes.count, position - start <= 15 {
            let byte = bytes[position]
            position += 1
            if byte == end {
                let count = position - 1 - start
                return count > 0 && (count == 1 || bytes[start] != UInt8(ascii: "0")) ? number : nil
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            number = number &* 10 &+ UInt64(byte &- UInt8(ascii: "0"))
        }
        return nil
    }

    /// Adds the header, newline included, without memory of its own.
    package func append(to message: inout [UInt8]) {
        withUnsafeTemporaryAllocation(byteCount: WriteHeader.longest, alignment: 1) { buffer in
            var start = buffer.count
            func put(_ byte: UInt8) {
                start -= 1
                buffer[start] = byte
            }
            func put(_ number: UInt64) {
                var rest = number
                repeat {
                    put(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
                    rest /= 10
                } while rest > 0
            }
            put(NewlineScan.newline)
            put(UInt64(length))
            put(UInt8(ascii: " "))
            put(sequence)
            start -= 6
            UnsafeMutableRawBufferPointer(rebasing: buffer[start...]).copyBytes(from: "write ".utf8)
            message += UnsafeRawBufferPointer(rebasing: buffer[start...])
        }
    }

    /// Two numbers of 20 digits at most, and what is between.
    private static let longest = 64
}
