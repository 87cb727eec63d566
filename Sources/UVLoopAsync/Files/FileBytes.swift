public import UVLoop

/// The bytes of a file, for tasks. Each iteration opens the file anew.
public struct FileBytes: AsyncSequence, Sendable {
    /// The reason why the file cannot be read.
    public typealias Failure = UVError
    let path: String
    let offset: UInt64
    let limit: UInt64?
    let executor: LoopExecutor

    /// Opens the file with the first `next`.
    public func makeAsyncIterator() -> Iterator { Iterator(run: FileRun(self)) }

    /// The iterator of one task.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let run: FileRun

        /// The next bytes; nil at the end of the file.
        public mutating func next() async throws -> [UInt8]? { try await run.next() }

        /// The next bytes, as above, with the error's type.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(UVError) -> [UInt8]? {
            try await run.next()
        }
    }
}

/// The lines of a file, for tasks.
public struct FileLines: AsyncSequence, Sendable {
    /// The reason why the file cannot be read, or ``/UVLoop/UVError/messageTooLong``.
    public typealias Failure = UVError
    let bytes: FileBytes
    let longest: Int

    /// Opens the file with the first `next`.
    public func makeAsyncIterator() -> Iterator { Iterator(bytes.makeAsyncIterator(), longest) }

    /// The iterator of one task.
    public struct Iterator: AsyncIteratorProtocol {
        private var bytes: FileBytes.Iterator
        private let reader: LineReader

        init(_ bytes: FileBytes.Iterator, _ longest: Int) {
            self.bytes = bytes
            reader = LineReader(longest: longest)
        }

        /// The next line; nil at the end of the file.
        public mutating func next() async throws -> Line? { try await next(isolation: nil) }

        /// The next line, as above, with the error's type.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(UVError) -> Line? {
            try await reader.next(isolation: actor) { () async throws(UVError) in try await bytes.next(isolation: actor)
            }
        }
    }
}

/// An iteration over a file.
actor FileRun: LoopActor {
    nonisolated let executor: LoopExecutor
    /// The executor as the runtime knows it.
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private let path: String
    private var place: UInt64
    private var left: UInt64
    private var file: SharedDescriptor?
    private var isReading = false

    init(_ file: FileBytes) {
        path = file.path
        // The system's offsets are signed.
        place = min(file.offset, UInt64(Int64.max))
        left = file.limit ?? .max
        executor = file.executor
    }

    func next() async throws(UVError) -> [UInt8]? {
        guard !isReading else { throw .busy }
        isReading = true
        defer { isReading = false }
        let (path, place, count) = (path, place, Int(min(left, UInt64(FileReader.chunk))))
        // Work for which a cancellation came too late is waited for, so that no bytes are lost.
        let (open, bytes) = try await executor.work { [file] () throws(UVError) in
            let file = if let file { file } else { try SharedDescriptor(opening: path, .readOnly) }
            return (file, try file.bytes(from: place, count: count))
        }
        file = open
        self.place += UInt64(bytes.count)
        left -= UInt64(bytes.count)
        return bytes.isEmpty ? nil : bytes
    }
}
