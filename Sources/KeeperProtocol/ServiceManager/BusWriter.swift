/// The bytes of a D-Bus message being written, little-endian, each value aligned to its type's boundary.
///
/// Mirrors section "Marshaling" of the D-Bus specification, as far as a keeper needs it.
struct BusWriter {
    private(set) var bytes: [UInt8] = []

    mutating func align(_ boundary: Int) {
        while bytes.count % boundary != 0 { bytes.append(0) }
    }

    mutating func byte(_ value: UInt8) { bytes.append(value) }

    mutating func boolean(_ value: Bool) { uint32(value ? 1 : 0) }

    mutating func uint32(_ value: UInt32) {
        align(4)
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func uint64(_ value: UInt64) {
        align(8)
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Writes a string or an object path, which must not contain zero bytes: the format has no room for them.
    mutating func string(_ text: String) {
        uint32(UInt32(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
        bytes.append(0)
    }

    mutating func signature(_ text: String) {
        bytes.append(UInt8(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
        bytes.append(0)
    }

    /// Writes a value preceded by its type.
    mutating func variant(_ signature: String, _ value: (inout BusWriter) -> Void) {
        self.signature(signature)
        value(&self)
    }

    /// Writes an array: its length in bytes, then its elements, the first of them aligned to `boundary`.
    mutating func array(elementsAt boundary: Int, _ elements: (inout BusWriter) -> Void) {
        uint32(0)
        let lengthEnd = bytes.count
        align(boundary)
        let start = bytes.count
        elements(&self)
        let length = UInt32(bytes.count - start)
        withUnsafeBytes(of: length.littleEndian) {
            bytes.replaceSubrange(lengthEnd - 4..<lengthEnd, with: $0)
        }
    }
}
