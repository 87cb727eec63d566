/// A number in a header that is written.
enum HeaderNumber {
    /// The most digits.
    static let longest = 20

    /// Writes its digits to a place with room for them.
    ///
    /// - Returns: the place behind them.
    static func put(_ number: UInt64, in bytes: UnsafeMutableRawBufferPointer, at position: Int) -> Int {
        // By comparing: dividing for the count, too, would be most of the time of a short line.
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
