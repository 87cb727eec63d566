/// The output of a child: each byte follows from the key of the stream and its offset alone, so that any piece can be
/// checked, several gigabytes a second when optimised. The bytes are printable, for people who look into a file.
struct OutputFormat {
    private let key: UInt64

    /// - Parameters:
    ///   - key: the key of one life of one session.
    ///   - stream: 0 is stdout, 1 is stderr.
    init(key: UInt64, stream: Int) { self.key = key ^ (UInt64(stream) &* 0xA076_1D64_78BD_642F) }

    /// Returns the key of one life of one session in a run.
    static func key(seed: UInt64, session: Int, life: Int) -> UInt64 {
        var generator = SeededGenerator(seed: seed ^ UInt64(session) << 40 ^ UInt64(life))
        return max(1, generator.next())
    }

    /// Returns the eight bytes from offset 8 times `number` on.
    @inline(__always)
    private func word(_ number: UInt64) -> UInt64 {
        var word = (key ^ number) &* 0xD6E8_FEB8_6659_FD93
        word = (word ^ word >> 32) &* 0xD6E8_FEB8_6659_FD93
        word ^= word >> 32
        return (word & 0x1F1F_1F1F_1F1F_1F1F | 0x4040_4040_4040_4040).littleEndian
    }

    @inline(__always)
    private func byte(_ offset: UInt64) -> UInt8 {
        UInt8(truncatingIfNeeded: UInt64(littleEndian: word(offset >> 3)) >> (8 &* (offset & 7)))
    }

    /// Fills memory with the bytes from an offset on.
    func fill(_ base: UnsafeMutableRawPointer, count: Int, from offset: UInt64) {
        var position = 0
        while position < count {
            let place = offset &+ UInt64(position)
            if place & 7 == 0, position &+ 8 <= count {
                base.storeBytes(of: word(place >> 3), toByteOffset: position, as: UInt64.self)
                position &+= 8
            } else {
                base.storeBytes(of: byte(place), toByteOffset: position, as: UInt8.self)
                position &+= 1
            }
        }
    }

    /// Returns the index of the first wrong byte; nil if all are right.
    func firstWrong(_ base: UnsafeRawPointer, count: Int, at offset: UInt64) -> Int? {
        var position = 0
        while position < count {
            let place = offset &+ UInt64(position)
            if place & 7 == 0, position &+ 8 <= count {
                if base.loadUnaligned(fromByteOffset: position, as: UInt64.self) == word(place >> 3) {
                    position &+= 8
                    continue
                }
            } else if base.load(fromByteOffset: position, as: UInt8.self) == byte(place) {
                position &+= 1
                continue
            }
            // The wrong byte of a wrong word is found.
            while position < count,
                base.load(fromByteOffset: position, as: UInt8.self) == byte(offset &+ UInt64(position))
            {
                position &+= 1
            }
            return position
        }
        return nil
    }
}
