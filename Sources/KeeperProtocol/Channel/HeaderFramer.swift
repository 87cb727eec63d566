internal import UVLoop

/// Finds the headers in a stream of bytes, in whatever pieces it comes. The payloads are left to the caller.
package struct HeaderFramer: ~Copyable {
    package enum Found {
        /// A header that is whole in `bytes`: its range, newline excluded.
        case here(Range<Int>)
        /// A header that began earlier; ``HeaderFramer/takePending(_:)`` lends it.
        case pending
        /// The header's end has not come yet.
        case none
        case tooLong
    }

    private let limit: Int
    private var pending: [UInt8] = []

    /// - Parameter limit: the longest header, in bytes, newline included.
    package init(limit: Int) { self.limit = limit }

    /// Bytes of an unfinished header that wait for its end.
    package var pendingByteCount: Int { pending.count }

    /// Looks for the end of a header from `position` on; moves `position` behind the header, or to the end of the
    /// bytes.
    package mutating func find(in bytes: UnsafeRawBufferPointer, from position: inout Int) -> Found {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
        let room = limit - pending.count
        guard let length = NewlineScan.first(in: UnsafeRawBufferPointer(rebasing: rest.prefix(room))) else {
            guard rest.count < room else { return .tooLong }
            pending += rest
            position = bytes.count
            return .none
        }
        let start = position
        position += length + 1
        guard !pending.isEmpty else { return .here(start..<start + length) }
        pending += rest[..<length]
        return .pending
    }

    /// Lends the header that began in earlier bytes, and forgets it.
    package mutating func takePending<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result,
    ) throws(Failure) -> Result {
        var header: [UInt8] = []
        swap(&header, &pending)
        return try header.span.bytes.withUnsafeBytes { (bytes) throws(Failure) in try body(bytes) }
    }
}
