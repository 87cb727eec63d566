import UVKeeper

/// Where a reader of a session's output stands: in which life of the session, and behind how many bytes of each stream. As
/// text, `EPOCH:OUT:ERR`, it is the id of every event, so that whoever has an event can go on behind it, at any server.
struct OutputPosition: Hashable, Sendable, CustomStringConvertible {
    let epoch: String
    private(set) var offsets: [ChildStream: UInt64]

    init(epoch: String, out: UInt64 = 0, err: UInt64 = 0) {
        self.epoch = epoch
        offsets = [.out: out, .err: err]
    }

    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].utf8.count == 16, parts[0].utf8.allSatisfy({ Self.isHexadecimal($0) }),
            let out = UInt64(parts[1]), let err = UInt64(parts[2]), max(out, err) < Self.limit
        else { return nil }
        self.init(epoch: String(parts[0]), out: out, err: err)
    }

    /// What a number in the keeper's protocol can be.
    private static let limit: UInt64 = 1_000_000_000_000_000

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
        default: false
        }
    }

    var description: String { "\(epoch):\(offsets[.out] ?? 0):\(offsets[.err] ?? 0)" }

    /// The reader has everything of a stream up to this offset.
    mutating func move(_ stream: ChildStream, to offset: UInt64) { offsets[stream] = offset }
}
