internal import KeeperProtocol
internal import UVLoop

/// The payload of a `write` that has not come whole with its header.
struct LinePayload {
    /// What becomes of the line.
    enum Fate {
        case taken
        /// It was taken before.
        case dropped
        case refused(ChannelError)
    }

    let sequence: UInt64
    /// The bytes that were announced.
    let length: Int
    let fate: Fate
    /// What has come of a line that is to be taken; of others only the count.
    private let bytes = PayloadBytes()
    private var received = 0
    private var lastByte: UInt8 = 0
    /// True once the newline that follows a payload without one has come.
    private var hasNewline = false

    init(sequence: UInt64, length: Int, fate: Fate) {
        self.sequence = sequence
        self.length = length
        self.fate = fate
    }

    /// Bytes in memory.
    var byteCount: Int { bytes.count }

    /// True if nothing more of it comes.
    var isWhole: Bool { received == length && (hasNewline || endsInNewline) }

    private var endsInNewline: Bool { length > 0 && received == length && lastByte == NewlineScan.newline }

    /// True if another byte than a newline follows a payload without one: its length was miscounted.
    private(set) var isMiscounted = false

    /// Takes what comes next.
    ///
    /// - Returns: how many bytes it has used; nil if there is no memory.
    mutating func take(_ next: UnsafeRawBufferPointer) -> Int? {
        let part = UnsafeRawBufferPointer(rebasing: next.prefix(length - received))
        if case .taken = fate, !part.isEmpty, !bytes.append(part) { return nil }
        received += part.count
        if let last = part.last { lastByte = last }
        guard received == length, !endsInNewline, part.count < next.count else { return part.count }
        guard next[part.count] == NewlineScan.newline else {
            isMiscounted = true
            hasNewline = true
            return part.count
        }
        hasNewline = true
        guard case .taken = fate else { return part.count + 1 }
        return bytes.append(UnsafeRawBufferPointer(rebasing: next[part.count...part.count])) ? part.count + 1 : nil
    }

    /// Lends the whole line, newline included.
    func withLine<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result { body(bytes.bytes) }
}

/// The bytes of a payload: they grow with what has come, not with what was announced.
private final class PayloadBytes {
    private var outbox = Outbox()

    var count: Int { outbox.count }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(outbox.bytes) }

    func append(_ bytes: UnsafeRawBufferPointer) -> Bool { outbox.append(bytes) }
}
