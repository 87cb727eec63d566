internal import KeeperProtocol
public import UVKeeper

/// One line of a child's output.
public struct KeptLine: Hashable, Sendable, CustomStringConvertible {
    /// The offset of its first byte in its stream.
    public let offset: UInt64
    /// Its bytes, without the newline.
    public let bytes: [UInt8]
    /// The offset of the byte behind it and its newline: where a reader that has dealt with it goes on.
    public let end: UInt64
    /// Bytes right before it are gone: it may be the rest of a longer line.
    public let followsGap: Bool

    /// Its text; what is no UTF-8 is replaced.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The text.
    public var description: String { text }
}

/// The lines that a session's child has written and writes to one stream.
public struct KeptLines: AsyncSequence, Sendable {
    /// Why the output cannot be read.
    public typealias Failure = KeeperError
    let output: KeptOutput
    let longest: Int

    /// What one task reads.
    public struct Iterator: AsyncIteratorProtocol {
        private var pieces: KeptOutput.Iterator
        private var cutter: LineCutter

        init(_ pieces: KeptOutput.Iterator, longest: Int) {
            self.pieces = pieces
            cutter = LineCutter(longest: Swift.max(1, longest))
        }

        /// The next line; nil at the end. What the last line of an ended session lacks is its newline.
        public mutating func next() async throws -> KeptLine? { try await next(isolation: nil) }

        /// The same, with the error's type.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(KeeperError) -> KeptLine? {
            while true {
                if let line = cutter.take() { return line }
                guard !cutter.hasEnded else { return nil }
                switch try await pieces.next(isolation: actor) {
                case .bytes(_, let offset, let bytes): cutter.append(bytes, at: offset)
                case .gap: cutter.noteGap()
                case .ended: cutter.end()
                // Without the session's end, what has come of a line may go on.
                case nil: return nil
                }
            }
        }
    }

    /// Begins to read with the first `next`.
    public func makeAsyncIterator() -> Iterator { Iterator(output.makeAsyncIterator(), longest: longest) }
}

/// Cuts output into lines that know their offsets.
struct LineCutter {
    private let longest: Int
    private var lines: [KeptLine] = []
    private var first = 0
    /// A line that has begun.
    private var pending: [UInt8] = []
    private var pendingOffset: UInt64 = 0
    private var followsGap = false
    private(set) var hasEnded = false

    init(longest: Int) { self.longest = longest }

    mutating func take() -> KeptLine? {
        guard first < lines.count else {
            lines.removeAll(keepingCapacity: lines.capacity <= 1024)
            first = 0
            return nil
        }
        defer { first += 1 }
        return lines[first]
    }

    mutating func append(_ bytes: [UInt8], at offset: UInt64) {
        var start = 0
        while start < bytes.count {
            if pending.isEmpty { pendingOffset = offset + UInt64(start) }
            let newline = bytes[start...].firstIndex(of: UInt8(ascii: "\n"))
            let end = min(newline ?? bytes.count, start + longest - pending.count)
            pending += bytes[start..<end]
            if end == newline {
                emit(newlineLength: 1)
                start = end + 1
            } else {
                if pending.count >= longest { emit(newlineLength: 0) }
                start = end
            }
        }
    }

    /// What has come of a line is one, of which the rest is gone.
    mutating func noteGap() {
        if !pending.isEmpty { emit(newlineLength: 0) }
        followsGap = true
    }

    mutating func end() {
        if !pending.isEmpty { emit(newlineLength: 0) }
        hasEnded = true
    }

    private mutating func emit(newlineLength: UInt64) {
        let end = pendingOffset + UInt64(pending.count) + newlineLength
        lines.append(KeptLine(offset: pendingOffset, bytes: pending, end: end, followsGap: followsGap))
        followsGap = false
        pending = []
    }
}
