internal import UVLoop

/// The header of a `write`, newline included, read in a single pass: the fast path of nearly every line.
package struct WriteHeader: Hashable, Sendable {
    package let sequence: UInt64
    package let length: Int

    package init(sequence: UInt64, length: Int) {
        self.sequence = sequence
        self.length = length
    }

    /// Reads the header at `position`, and moves `position` behind its newline.
    ///
    /// Nil, with `position` unchanged, if the header is not whole, malformed, or of another verb.
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

    /// Reads a number of at most 15 digits, without a leading zero, and the byte after it.
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

    /// Adds the header, newline included, without allocating memory for it.
    package func append(to message: inout [UInt8]) {
        withUnsafeTemporaryAllocation(byteCount: WriteHeader.longest, alignment: 1) { buffer in
            message += UnsafeRawBufferPointer(rebasing: buffer[..<put(in: buffer, at: 0)])
        }
    }

    /// Writes the header, newline included, at a position with room for ``longest`` bytes.
    ///
    /// - Returns: the position behind the header.
    package func put(in bytes: UnsafeMutableRawBufferPointer, at position: Int) -> Int {
        // A single store writes the verb and its space, and two bytes more that the number overwrites.
        bytes.storeBytes(of: UInt64(0x2065_7469_7277).littleEndian, toByteOffset: position, as: UInt64.self)
        var end = HeaderNumber.put(sequence, in: bytes, at: position + 6)
        bytes[end] = UInt8(ascii: " ")
        end = HeaderNumber.put(UInt64(length), in: bytes, at: end + 1)
        bytes[end] = NewlineScan.newline
        return end + 1
    }

    /// Room for the verb, two numbers of at most 20 digits, two spaces and a newline.
    package static let longest = 64
}
