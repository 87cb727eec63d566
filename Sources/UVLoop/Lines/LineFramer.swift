internal import CLibUV

/// Cuts a stream of bytes into whole lines; lines that arrive whole are not copied.
///
/// One framer serves one connection. The framer keeps only the unterminated tail of the bytes that arrived, so its
/// memory is bounded by the longest line allowed. Bytes are not decoded, and `\r` has no meaning. Not `Sendable`: a
/// framer belongs to the loop of its connection.
///
/// Lines come in runs, the cheapest way to pass them on, or one by one: ``append(_:emit:)``,
/// ``appendByLine(_:emit:)``. Mirrors the original's `buf` and `indexOf("\n")`, with a bound, and without decoding UTF-8.
public struct LineFramer: ~Copyable {
    /// The longest line accepted, in bytes, newline included.
    public let maximumLineLength: Int

    /// The number of bytes kept of an unterminated line; always less than ``maximumLineLength``.
    public private(set) var pendingByteCount = 0

    /// The reason why a line was refused.
    public enum Refusal: Hashable, Sendable {
        /// The line is longer than ``LineFramer/maximumLineLength``.
        case tooLong
        /// There was no memory for the received part of the line.
        case outOfMemory
    }

    /// The reason why every further byte is refused; nil if none is.
    public private(set) var refusal: Refusal?

    /// The number of bytes allocated for the unterminated line.
    package private(set) var capacity = 0

    /// The largest allocation allowed; tests lower it to exhaust the memory.
    package var memoryLimit = Int.max

    /// The unterminated line: `capacity` bytes from `malloc`, of which `pendingByteCount` are filled.
    private var storage: UnsafeMutableRawPointer?

    /// The size up to which an empty buffer is kept for the next tail; a larger one is freed as soon as it is empty.
    package static let retainedCapacity = 4096

    /// Creates a framer without any bytes; it allocates nothing until it has a tail to keep.
    ///
    /// `maximumLineLength` counts the newline and must be at least 1.
    public init(maximumLineLength: Int) {
        precondition(maximumLineLength > 0, "the longest line must have room for its newline")
        self.maximumLineLength = maximumLineLength
    }

    deinit {
        free(storage)
    }

    /// Takes the next bytes of the stream and lends the lines that are now whole to `emit`, in order.
    ///
    /// At most two calls per append, each with one or more whole lines and a newline as its last byte: first the
    /// pending line, now complete, from the framer's own memory; then all further lines straight from `bytes`. The span
    /// is valid only during the call. Bytes after the last newline are kept for later.
    ///
    /// Returns false if a line is longer than ``maximumLineLength``, as soon as that many bytes have come without a
    /// newline, or if there is no memory for it; ``refusal`` tells the two apart. The lines before it have been
    /// emitted. The refused line and everything after it is discarded, and every later append returns false at once. A
    /// line of exactly the maximum, newline included, is accepted.
    public mutating func append(_ bytes: RawSpan, emit: (RawSpan) -> Void) -> Bool {
        guard refusal == nil else { return false }
        let cut = bytes.withUnsafeBytes { split($0) }
        if cut.pendingEnd > 0 {
            guard keep(bytes.extracting(0..<cut.pendingEnd)) else { return refuse(.outOfMemory) }
            emitPending(to: emit)
        }
        if cut.wholeEnd > cut.pendingEnd {
            emit(bytes.extracting(cut.pendingEnd..<cut.wholeEnd))
        }
        guard !cut.isTooLong else { return refuse(.tooLong) }
        return keep(bytes.extracting(cut.wholeEnd..<bytes.byteCount)) || refuse(.outOfMemory)
    }

    /// Like ``append(_:emit:)``, but lends each line by itself, with the newline as its last byte.
    public mutating func appendByLine(_ bytes: RawSpan, emit: (RawSpan) -> Void) -> Bool {
        append(bytes) { run in
            var start = 0
            while start < run.byteCount {
                let rest = run.extracting(start...)
                // Every run ends with a newline.
                let count = rest.withUnsafeBytes { NewlineScan.first(in: $0) }! + 1
                emit(rest.extracting(..<count))
                start += count
            }
        }
    }

    /// Ends the stream: lends an unterminated tail, if there is one, to `emit` with a newline added.
    ///
    /// Emits nothing after a refused line. A framer that has refused no line can then be used again, as if new. Mirrors
    /// the original at end of stream.
    public mutating func finish(emit: (RawSpan) -> Void) {
        guard pendingByteCount > 0 else { return }
        // There is always room: a tail is shorter than the longest line, and was allocated with one byte to spare.
        storage!.storeBytes(of: NewlineScan.newline, toByteOffset: pendingByteCount, as: UInt8.self)
        pendingByteCount += 1
        emitPending(to: emit)
    }

    // MARK: - Where the lines end

    /// Offsets into the bytes of one append.
    private struct Cut {
        /// The end of the pending line; 0 if there is none, or if it does not end here.
        var pendingEnd = 0
        /// The end of the last whole line that may be emitted.
        var wholeEnd = 0
        /// True if the bytes that follow are longer than a line may be.
        var isTooLong = false
    }

    private func split(_ bytes: UnsafeRawBufferPointer) -> Cut {
        var cut = Cut()
        var pending = pendingByteCount
        // Line by line, but only as long as there is a pending line to complete or the rest could hold one that is too
        // long. With the usual maximum, much larger than a read buffer, that is at most one newline.
        while pending > 0 || bytes.count - cut.wholeEnd > maximumLineLength {
            let room = maximumLineLength - pending
            let window = min(room, bytes.count - cut.wholeEnd)
            let start = cut.wholeEnd
            guard let newline = NewlineScan.first(in: .init(rebasing: bytes[start..<start + window])) else {
                cut.isTooLong = window == room
                return cut
            }
            cut.wholeEnd = start + newline + 1
            if pending > 0 {
                cut.pendingEnd = cut.wholeEnd
                pending = 0
            }
        }
        // No line in the rest can be too long; only the tail, which has no newline yet, still can.
        if let newline = NewlineScan.last(in: .init(rebasing: bytes[cut.wholeEnd...])) {
            cut.wholeEnd += newline + 1
        }
        cut.isTooLong = bytes.count - cut.wholeEnd >= maximumLineLength
        return cut
    }

    // MARK: - The tail

    /// Adds `bytes` to the pending line; together they are never more than `maximumLineLength`. Returns false if there
    /// is no memory.
    private mutating func keep(_ bytes: RawSpan) -> Bool {
        guard !bytes.isEmpty else { return true }
        // The size includes the newline that `finish` may have to add.
        guard reserve(min(maximumLineLength, pendingByteCount + bytes.byteCount + 1)) else { return false }
        bytes.withUnsafeBytes { source in
            storage!.advanced(by: pendingByteCount).copyMemory(from: source.baseAddress!, byteCount: source.count)
        }
        pendingByteCount += bytes.byteCount
        return true
    }

    /// Records the refusal and frees the memory. Always returns false.
    private mutating func refuse(_ reason: Refusal) -> Bool {
        refusal = reason
        release()
        return false
    }

    /// Lends the pending line, which now ends in a newline, and forgets it.
    private mutating func emitPending(to emit: (RawSpan) -> Void) {
        emit(UnsafeRawBufferPointer(start: storage, count: pendingByteCount).bytes)
        pendingByteCount = 0
        if capacity > Self.retainedCapacity { release() }
    }

    /// Grows the memory to hold `count` bytes, by doubling up to the size of the longest line, so that a line in many
    /// pieces is copied a bounded number of times.
    private mutating func reserve(_ count: Int) -> Bool {
        guard count > capacity else { return true }
        let doubled = capacity > maximumLineLength / 2 ? maximumLineLength : max(capacity * 2, 256)
        // If the doubled size cannot be had, just enough is tried.
        for wanted in [min(maximumLineLength, max(count, doubled)), count] {
            guard wanted <= memoryLimit, let grown = realloc(storage, wanted) else { continue }
            storage = grown
            capacity = wanted
            return true
        }
        return false
    }

    private mutating func release() {
        free(storage)
        storage = nil
        capacity = 0
        pendingByteCount = 0
    }
}
