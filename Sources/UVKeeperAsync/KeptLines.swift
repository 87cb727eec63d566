public import UVKeeper

/// The lines of one stream of a session's child, past and future.
public struct KeptLines: AsyncSequence, Sendable {
    /// The reason why the output cannot be read.
    public typealias Failure = KeeperError
    let output: KeptOutput
    let longest: Int

    /// The iterator of one task.
    public struct Iterator: AsyncIteratorProtocol {
        private var pieces: KeptOutput.Iterator
        private var cutter: LineCutter

        init(_ pieces: KeptOutput.Iterator, longest: Int) {
            self.pieces = pieces
            cutter = LineCutter(longest: Swift.max(1, longest))
        }

        /// The next line; nil at the end. The last line of an ended session may have had no newline.
        public mutating func next() async throws -> KeptLine? { try await next(isolation: nil) }

        /// The next line, as above, with the error's type.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(KeeperError) -> KeptLine? {
            while true {
                if let line = cutter.take() { return line }
                guard !cutter.hasEnded else { return nil }
                switch try await pieces.next(isolation: actor) {
                case .bytes(_, let offset, let bytes): cutter.append(bytes, at: offset)
                case .gap: cutter.noteGap()
                case .ended: cutter.end()
                // If the session has not ended, the unfinished line may go on.
                case nil: return nil
                }
            }
        }
    }

    /// Begins to read with the first `next`.
    public func makeAsyncIterator() -> Iterator { Iterator(output.makeAsyncIterator(), longest: longest) }
}
