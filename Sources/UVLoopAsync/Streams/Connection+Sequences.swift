public import UVLoop

extension Connection {
    /// The bytes received on a connection.
    public struct Bytes: AsyncSequence {
        /// The error with which the stream ends.
        public typealias Failure = UVError
        let connection: Connection

        /// The iterator of one task.
        public struct Iterator: AsyncIteratorProtocol {
            let connection: Connection

            /// The next bytes; nil at the end of the stream.
            public mutating func next() async throws -> [UInt8]? { try await connection.read() }

            /// The next bytes, as above, with the error's type.
            public mutating func next(isolation actor: isolated (any Actor)?) async throws(UVError) -> [UInt8]? {
                try await connection.read()
            }
        }

        /// Begins to read.
        public func makeAsyncIterator() -> Iterator { Iterator(connection: connection) }
    }

    /// The lines received on a connection, each without its newline; the last one may have had none.
    public struct Lines: AsyncSequence {
        /// The error with which the stream ends.
        public typealias Failure = UVError
        let connection: Connection
        let longest: Int

        /// The iterator of one task.
        public struct Iterator: AsyncIteratorProtocol {
            private let connection: Connection
            private let reader: LineReader

            init(_ connection: Connection, _ longest: Int) {
                self.connection = connection
                reader = LineReader(longest: longest)
            }

            /// The next line; nil at the end of the stream.
            public mutating func next() async throws -> Line? { try await next(isolation: nil) }

            /// The next line, as above, with the error's type.
            public mutating func next(isolation actor: isolated (any Actor)?) async throws(UVError) -> Line? {
                try await reader.next(isolation: actor) { () async throws(UVError) in try await connection.read() }
            }
        }

        /// Begins to read.
        public func makeAsyncIterator() -> Iterator { Iterator(connection, longest) }
    }
}
