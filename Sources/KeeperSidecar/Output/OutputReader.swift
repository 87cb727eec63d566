internal import KeeperProtocol

/// One client's way through the output: a cursor for each stream that it asked for.
final class OutputReader {
    /// The most that one reader is sent from segments in a turn.
    static let turnByteCount = 262_144

    private struct Cursor {
        let stream: ChildStream
        var offset: UInt64
        /// Where it ends; nil: not yet.
        var end: UInt64?
    }

    private unowned let client: ChannelClient
    private var cursors: [Cursor]
    /// The cursor that was served last.
    private var turn = 0
    /// True if it goes on until the session ends.
    let follows: Bool

    /// - Parameters:
    ///   - starts: where each stream begins.
    ///   - ends: where each ends; nil if it goes on.
    init(_ client: ChannelClient, from starts: [ChildStream: UInt64], upTo ends: [ChildStream: UInt64]?) {
        self.client = client
        follows = ends == nil
        cursors = ChildStream.allCases.compactMap { stream in
            starts[stream].map { Cursor(stream: stream, offset: $0, end: ends?[stream]) }
        }
    }

    /// True while what is sent does not wait.
    var hasRoom: Bool { client.hasRoomForOutput }

    /// The next bytes that it has not had; nil if there are none now. If there never will be, the client is told.
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

    /// Takes what has just come, if it is at its end and its connection has room; else it is behind, and served later.
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

    /// Tells that bytes are gone.
    func skip(_ range: Range<UInt64>, of stream: ChildStream) {
        advance(stream, to: range.upperBound)
        client.send(.gap(stream, range))
    }

    private func advance(_ stream: ChildStream, to offset: UInt64) {
        for index in cursors.indices where cursors[index].stream == stream { cursors[index].offset = offset }
    }

    /// No more output comes: what there is is the end.
    func finish(_ output: KeptOutput) {
        for index in cursors.indices where cursors[index].end == nil {
            cursors[index].end = output[cursors[index].stream].end
        }
    }

    private var offsets: [ChildStream: UInt64] {
        Dictionary(uniqueKeysWithValues: cursors.map { ($0.stream, $0.offset) })
    }
}
