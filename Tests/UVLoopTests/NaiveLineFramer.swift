/// The contract of `LineFramer`, one byte at a time; the reference of the differential test.
struct NaiveLineFramer {
    let maximumLineLength: Int
    private(set) var pending: [UInt8] = []
    private(set) var output: [UInt8] = []
    private(set) var hasOverflowed = false

    init(maximumLineLength: Int) {
        self.maximumLineLength = maximumLineLength
    }

    mutating func append(_ bytes: [UInt8]) -> Bool {
        for byte in bytes where !hasOverflowed {
            pending.append(byte)
            if byte == 0x0A {
                output += pending
                pending = []
            } else if pending.count == maximumLineLength {
                hasOverflowed = true
                pending = []
            }
        }
        return !hasOverflowed
    }

    mutating func finish() {
        guard !pending.isEmpty else { return }
        output += pending + [0x0A]
        pending = []
    }
}
