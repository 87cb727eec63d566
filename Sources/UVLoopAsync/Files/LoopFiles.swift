public import UVLoop

/// Files for tasks: a thread of libuv's pool makes every call, so that a slow disk holds up neither the loop nor the
/// threads that tasks share. Errors are those of ``/UVLoop/Files`` and ``/UVLoop/OpenFile``, and
/// ``/UVLoop/UVError/canceled``.
///
/// All other operations of ``/UVLoop/Files`` can be run by ``LoopExecutor/work(_:)``.
public struct LoopFiles: Sendable {
    private let executor: LoopExecutor

    /// The files as seen through an executor's loop.
    public init(on executor: LoopExecutor) { self.executor = executor }

    // MARK: Contents

    /// The contents of a regular file; symbolic links are not followed.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - limit: the most bytes read of a longer file.
    public func read(_ path: String, limit: Int = 1 << 30) async throws(UVError) -> [UInt8] {
        try await executor.work { () throws(UVError) in try Files.read(path, limit: limit) }
    }

    /// The bytes of a regular file, read in pieces as they are taken: 256 KiB wait at most, whatever the file's size.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - offset: the offset at which to begin; beyond the end there is nothing to read.
    ///   - limit: the most bytes read; nil: to the end of the file, including bytes added meanwhile.
    public func bytes(of path: String, from offset: UInt64 = 0, limit: UInt64? = nil) -> FileBytes {
        FileBytes(path: path, offset: offset, limit: limit, executor: executor)
    }

    /// The lines of a regular file, each without its newline; the last one may have had none.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - longest: the longest line in bytes, newline included; a longer one ends the sequence with
    ///     ``/UVLoop/UVError/messageTooLong``.
    public func lines(of path: String, longest: Int = 1 << 24) -> FileLines {
        FileLines(bytes: bytes(of: path), longest: longest)
    }

    /// Gives a file new contents in one step, as ``/UVLoop/Files/replace(_:with:permissions:isSynchronous:)`` does.
    public func replace(
        _ path: String, with bytes: [UInt8], permissions: UInt32? = nil, isSynchronous: Bool = false,
    ) async throws(UVError) {
        try await executor.work { () throws(UVError) in
            try Files.replace(path, with: bytes, permissions: permissions, isSynchronous: isSynchronous)
        }
    }

    /// Opens a regular file to append to, or makes it with mode 0600.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - isSynchronous: true if each write returns only when the disk has it, not just the system.
    public func appending(to path: String, isSynchronous: Bool = false) async throws(UVError) -> AppendedFile {
        try await AppendedFile.open(path, isSynchronous, on: executor)
    }

    // MARK: Names

    /// The facts about a file, as ``/UVLoop/Files/status(of:followingLinks:)``.
    public func status(of path: String, followingLinks: Bool = true) async throws(UVError) -> FileStatus {
        try await executor.work { () throws(UVError) in try Files.status(of: path, followingLinks: followingLinks) }
    }

    /// The names in a directory, in the order of their bytes.
    public func names(inDirectory path: String) async throws(UVError) -> [String] {
        try await executor.work { () throws(UVError) in try Files.names(inDirectory: path) }
    }

    /// Makes a directory and its missing parents, as ``/UVLoop/Files/makeDirectory(at:permissions:)``.
    public func makeDirectory(at path: String, permissions: UInt32 = 0o700) async throws(UVError) {
        try await executor.work { () throws(UVError) in try Files.makeDirectory(at: path, permissions: permissions) }
    }

    /// Renames a file in one step, replacing an existing file at the new name.
    public func rename(_ path: String, to newPath: String) async throws(UVError) {
        try await executor.work { () throws(UVError) in try Files.rename(path, to: newPath) }
    }

    /// Removes a name; open descriptors keep the file.
    public func unlink(_ path: String) async throws(UVError) {
        try await executor.work { () throws(UVError) in try Files.unlink(path) }
    }
}
