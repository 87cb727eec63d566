public import UVKeeper

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
