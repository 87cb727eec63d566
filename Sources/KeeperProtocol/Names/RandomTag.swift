/// Five base-36 digits that keep the temporary names of two processes apart.
///
/// There are sixty million values: enough that a collision is rare, short enough that a temporary socket's path is
/// never longer than the final one. A collision is still possible, so names are created exclusively and tried again.
enum RandomTag {
    static let length = 5

    /// The tag of `random`, made of `0-9 a-z`.
    static func text(_ random: UInt64) -> String {
        let digits = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)
        var rest = random
        var tag: [UInt8] = []
        for _ in 0..<length {
            tag.append(digits[Int(rest % 36)])
            rest /= 36
        }
        return String(decoding: tag, as: UTF8.self)
    }

    /// True if `bytes` could be a tag.
    static func matches(_ bytes: Substring.UTF8View) -> Bool {
        bytes.count == length
            && bytes.allSatisfy { byte in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            }
    }
}
