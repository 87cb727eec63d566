public import UVLoop

/// A file that a program appends to, for tasks: the writes of several tasks are in the file in the order of their
/// calls, each in one piece.
public actor AppendedFile: LoopActor {
    /// The executor whose loop is used.
    public nonisolated let executor: LoopExecutor
    /// The executor as the runtime knows it.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private let held: Handover<FileWriter>
    private var writer: FileWriter { held.value }

    private init(_ writer: Handover<FileWriter>, on executor: LoopExecutor) {
        held = writer
        self.executor = executor
    }

    deinit {
        // Writes that were not waited for come first.
        executor.submit { [held] _ in
            guard !held.value.isClosing else { return }
            held.value.synchronize { _ in held.value.close() }
        }
    }

    static func open(
        _ path: String, _ isSynchronous: Bool, on executor: LoopExecutor,
    ) async throws(UVError) -> AppendedFile {
        let file = try await executor.work { () throws(UVError) in try SharedDescriptor(opening: path, .append) }
        let result: Result<AppendedFile, UVError> = try await executor.run { loop in
            do throws(UVError) {
                let writer = try FileWriter(file, isSynchronous: isSynchronous, on: loop)
                return .success(AppendedFile(Handover(writer), on: executor))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Appends bytes, and returns when the system has them, or the disk. A task canceled while it waits gets
    /// ``/UVLoop/UVError/canceled``; the bytes are written all the same.
    ///
    /// - Throws: ``/UVLoop/UVError/noSpace`` and its like, also for an earlier write: a file may lack its end, but
    ///   never a part in the middle.
    public func write(_ bytes: [UInt8]) async throws(UVError) {
        try await once(canceled: .canceled) { (end: OneShot<Void, UVError>) in
            guard !writer.isClosing else { return end.end(.failure(.canceled)) }
            writer.write(bytes) { end.end($0.map { .failure($0) } ?? .success(())) }
        }
    }

    /// Appends a text's UTF-8, as above.
    public func write(_ text: String) async throws(UVError) { try await write(Array(text.utf8)) }

    /// Returns when the disk has everything written before.
    public func synchronize() async throws(UVError) {
        try await once(canceled: .canceled) { (end: OneShot<Void, UVError>) in
            guard !writer.isClosing else { return end.end(.failure(.canceled)) }
            writer.synchronize { end.end($0.map { .failure($0) } ?? .success(())) }
        }
    }

    /// Closes the file; waiting writes end with ``/UVLoop/UVError/canceled``, and may be in the file. Idempotent.
    public func close() { writer.close() }
}
