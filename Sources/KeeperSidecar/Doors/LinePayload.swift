internal import KeeperProtocol
internal import UVLoop

/// The payload of a `write` that did not come whole with its header.
struct LinePayload {
    /// The treatment of the line once it is whole.
    enum Fate {
        case taken
        /// The line was taken before.
        case dropped
        case refused(ChannelError)
    }

    let sequence: UInt64
    /// The announced length, in bytes.
    let length: Int
    let fate: Fate
    /// The bytes received, for a line that is to be taken; of other lines the bytes are only counted.
    private let bytes = PayloadBytes()
    private var received = 0
    private var lastByte: UInt8 = 0
    /// True once the newline has come that follows a payload without one.
    private var hasNewline = false

    init(sequence: UInt64, length: Int, fate: Fate) {
        self.sequence = sequence
        self.length = length
        self.fate = fate
    }

    /// Bytes in memory.
    var byteCount: Int { bytes.count }

    /// True if the payload and its newline have come.
    var isWhole: Bool { received == length && (hasNewline || endsInNewline) }

    private var endsInNewline: Bool { length > 0 && received == length && lastByte == NewlineScan.newline }

    /// True if a payload without a newline is followed by another byte than a newline: its length was miscounted.
    private(set) var isMiscounted = false

    /// Takes the next bytes.
    ///
    /// - Returns: the number of bytes used; nil if there is no memory.
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

/// The bytes of a payload, in memory that grows with the bytes received, not with the length announced.
private final class PayloadBytes {
    private var outbox = Outbox()

    var count: Int { outbox.count }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(outbox.bytes) }

    func append(_ bytes: UnsafeRawBufferPointer) -> Bool { outbox.append(bytes) }
}
