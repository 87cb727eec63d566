internal import KeeperProtocol

/// A client's position in the output: a cursor for each stream that it asked for.
final class OutputReader {
    /// The most bytes that one reader is sent from segments in a turn.
    static let turnByteCount = 262_144

    private struct Cursor {
        let stream: ChildStream
        var offset: UInt64
        /// The offset at which the read ends; nil if it goes on.
        var end: UInt64?
    }

    private unowned let client: ChannelClient
    private var cursors: [Cursor]
    /// The index of the cursor that was served last.
    private var turn = 0
    /// True if the read goes on until the session ends.
    let follows: Bool

    /// - Parameters:
    ///   - starts: the offset at which each stream begins.
    ///   - ends: the offset at which each stream ends; nil if the read goes on.
    init(_ client: ChannelClient, from starts: [ChildStream: UInt64], upTo ends: [ChildStream: UInt64]?) {
        self.client = client
        follows = ends == nil
        cursors = ChildStream.allCases.compactMap { stream in
            starts[stream].map { Cursor(stream: stream, offset: $0, end: ends?[stream]) }
        }
    }

    /// True if bytes sent now would not have to wait.
    var hasRoom: Bool { client.hasRoomForOutput }

    /// The next bytes for the client; nil if there are none now. If there will never be more, the client is told.
    func next(upTo output: KeptOutput) -> (ChildStream, Range<UInt64>)? {
        for step in 1...cursors.count {
            let index = (turn + step) % cursors.count
            let cursor = cursors[index]
            let end = cursor.end ?? output[cursor.stream].end
            guard cursor.offset < end else { continue }
            turn = index
            return (cursor.stream, cursor.offset..<end)
        }
        if cursors.allSatisfy({ $0.end != nil }) { client.readEnded(offsets) }
        return nil
    }

    /// Sends bytes that have just come, if the cursor is at their start and the connection has room; else the reader is
    /// behind, and served later.
    func take(_ message: UnsafeRawBufferPointer, of stream: ChildStream, _ range: Range<UInt64>) {
        guard let index = cursors.firstIndex(where: { $0.stream == stream }) else { return }
        guard cursors[index].offset == range.lowerBound, cursors[index].end == nil, hasRoom else { return }
        cursors[index].offset = range.upperBound
        client.send(message)
    }

    func send(_ message: UnsafeRawBufferPointer, of stream: ChildStream, _ range: Range<UInt64>) {
        advance(stream, to: range.upperBound)
        client.send(message)
    }

    /// Tells the client that bytes are gone.
    func skip(_ range: Range<UInt64>, of stream: ChildStream) {
        advance(stream, to: range.upperBound)
        client.send(.gap(stream, range))
    }

    private func advance(_ stream: ChildStream, to offset: UInt64) {
        for index in cursors.indices where cursors[index].stream == stream { cursors[index].offset = offset }
    }

    /// Ends the read at the present end of the output: no more comes.
    func finish(_ output: KeptOutput) {
        for index in cursors.indices where cursors[index].end == nil {
            cursors[index].end = output[cursors[index].stream].end
        }
    }

    private var offsets: [ChildStream: UInt64] {
        Dictionary(uniqueKeysWithValues: cursors.map { ($0.stream, $0.offset) })
    }
}
