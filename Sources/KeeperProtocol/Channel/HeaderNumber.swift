/// A number as text in a header.
enum HeaderNumber {
    /// The most digits that a number can have.
    static let longest = 20

    /// Writes the number's digits at a position with room for them.
    ///
    /// - Returns: the position behind the digits.
    static func put(_ number: UInt64, in bytes: UnsafeMutableRawBufferPointer, at position: Int) -> Int {
        // Digits are counted by comparison: counting by division would take most of the time of a short line.
        var (end, bound) = (position &+ 1, 10 as UInt64)
        while number >= bound, end &- position < longest {
            end &+= 1
            bound &*= 10
        }
        var (place, rest) = (end, number)
        repeat {
            place &-= 1
            bytes[place] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while place > position
        return end
    }
}
