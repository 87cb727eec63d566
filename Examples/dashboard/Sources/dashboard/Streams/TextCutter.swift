/// Cuts a stream of bytes into pieces that do not end within a character of UTF-8.
struct TextCutter {
    /// The beginning of a character: three bytes at most.
    private var rest: [UInt8] = []

    /// The bytes that are whole; what is begun at their end comes with the next ones.
    mutating func append(_ bytes: [UInt8]) -> [UInt8] {
        let all = rest + bytes
        let cut = all.count - TextCutter.unfinishedCount(all)
        rest = Array(all[cut...])
        return Array(all[..<cut])
    }

    /// What is left, where nothing comes behind it.
    mutating func end() -> [UInt8] {
        defer { rest = [] }
        return rest
    }

    /// How many of the last bytes begin a character that goes on.
    private static func unfinishedCount(_ bytes: [UInt8]) -> Int {
        for count in 1...3 where count <= bytes.count {
            let byte = bytes[bytes.count - count]
            if byte & 0b1100_0000 == 0b1000_0000 { continue }
            let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            return length > count ? count : 0
        }
        return 0
    }
}
