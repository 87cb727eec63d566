internal import CLibUV

/// Writes to a file off the loop, in order, and reports each write once the system has it.
///
/// At most one write is under way on libuv's pool (``Loop/queueWork(_:completion:)``); it takes the waiting writes, up
/// to 1 MiB. A write that fails, on a full disk for instance, fails all that come after it, including those that wait:
/// a file may lack its end, but never a part in the middle. Mirrors `uv_fs_write` with a callback.
public final class FileWriter: Handle {
    /// A write, or a completion to call once all writes before it are done.
    private struct Entry {
        var bytes: [UInt8] = []
        /// True if the entry completes only when the disk has all bytes before it.
        var isSynchronizing = false
        var completion: ((UVError?) -> Void)?
    }

    private static let batch = 1 << 20

    private let file: SharedDescriptor
    private let isSynchronous: Bool
    private var waiting: [Entry] = []
    private var writing: [Entry] = []

    /// The number of bytes that wait or are being written.
    public private(set) var queuedBytes = 0
    /// The number of queued bytes from which ``write(_:completion:)`` asks the caller to wait for ``onDrain``.
    public var highWaterMark = 1 << 20
    /// Called when the queue becomes empty, if a write has returned false since the last drain.
    public var onDrain: ((FileWriter) -> Void)?
    /// Called once, on a later tick, when a write has failed; all later writes fail too. For writers that pass no
    /// completions. Never called after ``Handle/close(_:)``.
    public var onFailure: ((FileWriter, UVError) -> Void)?
    /// The error that stopped all writing; nil if there was none.
    public private(set) var failure: UVError?
    private var needsDrain = false

    /// Opens a regular file to append to, or creates it.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - mode: ``OpenFile/Mode/append`` or ``OpenFile/Mode/createNew``; symbolic links are not followed.
    ///   - isSynchronous: true if each write completes only when the disk has it (`fdatasync(2)`), not only the
    ///     system.
    ///   - loop: the loop that it lives on.
    /// - Throws: the errors of ``OpenFile/init(_:_:)``, and ``UVError/wouldBlock`` if the pool's threads cannot be
    ///   made.
    public convenience init(
        _ path: String, _ mode: OpenFile.Mode = .append, isSynchronous: Bool = false, on loop: Loop
    ) throws(UVError) {
        try self.init(SharedDescriptor(opening: path, mode), isSynchronous: isSynchronous, on: loop)
    }

    /// Takes a file that was opened elsewhere, to append to it.
    package init(_ file: SharedDescriptor, isSynchronous: Bool, on loop: Loop) throws(UVError) {
        try ThreadPool.prepare()
        self.file = file
        self.isSynchronous = isSynchronous
        super.init(uv_timer_t.self, on: loop) { _ = uv_timer_init(loop.raw, $0) }
    }

    /// Writes after everything that was written before; `completion` is called once, on a later tick, in order.
    ///
    /// The error is the system's, ``UVError/noSpace`` for instance, of this write or of one before it; part of the
    /// failed write may be in the file. ``UVError/canceled`` means that the writer was closed first; the bytes may have
    /// been written.
    ///
    /// - Returns: false if the caller should wait for ``onDrain``, since much is queued; these bytes are queued all the
    /// same.
    @discardableResult
    public func write(_ bytes: [UInt8], completion: ((UVError?) -> Void)? = nil) -> Bool {
        guard isUsable("FileWriter.write: the writer is closed") else {
            if let completion { loop.onNextTick { completion(.canceled) } }
            return false
        }
        add(Entry(bytes: bytes, isSynchronizing: isSynchronous, completion: completion))
        if queuedBytes >= highWaterMark { needsDrain = true }
        return !needsDrain
    }

    /// Calls `completion` when the disk has all bytes written before. Mirrors `uv_fs_fdatasync`.
    public func synchronize(completion: @escaping (UVError?) -> Void) {
        guard isUsable("FileWriter.synchronize: the writer is closed") else {
            return loop.onNextTick { completion(.canceled) }
        }
        add(Entry(isSynchronizing: true, completion: completion))
    }

    private func add(_ entry: Entry) {
        queuedBytes += entry.bytes.count
        waiting.append(entry)
        // The write starts on the next tick, so that it includes the writes made until then.
        if writing.isEmpty, waiting.count == 1 { loop.onNextTick { [self] in writeNext() } }
    }

    private func writeNext() {
        guard writing.isEmpty, !waiting.isEmpty, !isClosing else { return }
        var size = 0
        let count = waiting.prefix { entry in
            defer { size += entry.bytes.count }
            return size < FileWriter.batch
        }.count
        writing = Array(waiting.prefix(count))
        waiting.removeFirst(count)
        let parts = writing.map(\.bytes)
        let isSynchronizing = writing.contains { $0.isSynchronizing }
        do throws(UVError) {
            try loop.queueWork({ [file, failure] in
                failure.map { (0, $0) } ?? file.write(parts, isSynchronizing)
            }) { [self] (count: Int, error: UVError?) in
                wrote(count, error)
            }
        } catch {
            trap("the pool's threads were made at the start, and cannot be made now: \(error)")
        }
    }

    /// - Parameter count: the number of entries that are done; the error is that of the entry after them.
    private func wrote(_ count: Int, _ error: UVError?) {
        guard !isClosing else { return }
        failure = failure ?? error
        let done = writing
        writing = []
        for entry in done { queuedBytes -= entry.bytes.count }
        for (index, entry) in done.enumerated() { entry.completion?(index < count ? nil : error) }
        if let error, !isClosing { onFailure.take()?(self, error) }
        guard !isClosing else { return }
        if needsDrain, waiting.isEmpty {
            needsDrain = false
            onDrain?(self)
        }
        writeNext()
    }

    override func willClose() {
        onDrain = nil
        onFailure = nil
    }

    override func didClose() {
        let canceled = writing + waiting
        writing = []
        waiting = []
        queuedBytes = 0
        for entry in canceled { entry.completion?(.canceled) }
    }
}

extension SharedDescriptor {
    /// Writes all parts, one after another.
    ///
    /// - Returns: the number of parts that are done, and the error of the part after them.
    fileprivate func write(_ parts: [[UInt8]], _ isSynchronizing: Bool) -> (Int, UVError?) {
        for (index, part) in parts.enumerated() {
            var left = part[...]
            while !left.isEmpty {
                let count = left.withUnsafeBytes { CLibUV.write(number, $0.baseAddress, $0.count) }
                if count < 0, uvloop_errno() == EINTR { continue }
                guard count >= 0 else { return (index, UVError(errno: uvloop_errno())) }
                left = left.dropFirst(count)
            }
        }
        guard isSynchronizing else { return (parts.count, nil) }
        // A failed sync may have lost any part, so none counts as done.
        return fsync(number) == 0 ? (parts.count, nil) : (0, UVError(errno: uvloop_errno()))
    }
}
