internal import CLibUV

/// Reads a file off the loop, in runs, each when the one before it has been taken.
///
/// At most one read is under way on libuv's pool (``Loop/queueWork(_:completion:)``); a paused reader keeps at most one
/// run. Mirrors `uv_fs_read` with a callback.
public final class FileReader: Handle {
    private enum State {
        case new
        case waiting
        case reading
        /// Paused, with the run that was read last still to deliver.
        case holding(Run)
        case ended
    }

    private enum Run: Sendable {
        case bytes([UInt8])
        case end
        case failed(UVError)
    }

    /// The size limit of one run, in bytes.
    public static let chunk = 262_144

    private let file: SharedDescriptor
    private var left: UInt64
    private var state = State.new
    private var onBytes: ((FileReader, RawSpan) -> Void)?
    private var onEnd: ((FileReader, UVError?) -> Void)?

    /// The place of the next byte in the file.
    public private(set) var offset: UInt64
    /// True between ``pause()`` and ``resume()``.
    public private(set) var isPaused = false

    /// Opens a regular file; symbolic links are not followed.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - offset: the place to begin at; past the end of the file there are no bytes.
    ///   - limit: the most bytes to read; nil: to the end of the file, including bytes added meanwhile.
    ///   - loop: the loop that it lives on.
    /// - Throws: the errors of ``OpenFile/init(_:_:)``, and ``UVError/wouldBlock`` if the pool's threads cannot be
    ///   made.
    public init(_ path: String, from offset: UInt64 = 0, limit: UInt64? = nil, on loop: Loop) throws(UVError) {
        try ThreadPool.prepare()
        file = try SharedDescriptor(opening: path, .readOnly)
        // The system's offsets are signed.
        self.offset = min(offset, UInt64(Int64.max))
        left = limit ?? .max
        super.init(uv_timer_t.self, on: loop) { _ = uv_timer_init(loop.raw, $0) }
    }

    /// Begins: `onBytes` is lent each run of bytes, on later ticks, then `onEnd` is called once, with the error if
    /// reading failed: ``UVError/canceled`` if the loop has closed the reader. After ``Handle/close(_:)``, `onEnd` is
    /// not called. May be called once.
    public func start(
        onBytes: @escaping (FileReader, RawSpan) -> Void, onEnd: @escaping (FileReader, UVError?) -> Void
    ) {
        guard isUsable("FileReader.start: the reader is closed") else {
            return loop.onNextTick { onEnd(self, .canceled) }
        }
        guard case .new = state else { trap("FileReader.start: the reader was started already") }
        self.onBytes = onBytes
        self.onEnd = onEnd
        state = .waiting
        startTimerThatIsNeverDue()
        read()
    }

    /// Calls neither closure until ``resume()``. Does nothing after a close.
    public func pause() {
        guard !isClosing else { return }
        loop.requireOwner()
        isPaused = true
    }

    /// Continues on a later tick. Does nothing after a close.
    public func resume() {
        guard !isClosing else { return }
        loop.requireOwner()
        guard isPaused else { return }
        isPaused = false
        guard case .holding = state else { return read() }
        loop.onNextTick { [self] in
            guard !isPaused, case .holding(let run) = state else { return }
            tell(run)
        }
    }

    private func read() {
        guard case .waiting = state, !isPaused else { return }
        state = .reading
        let count = Int(min(left, UInt64(FileReader.chunk)))
        do throws(UVError) {
            try loop.queueWork({ [file, offset] in FileReader.run(file, offset, count) }) { [self] run in
                guard !isClosing else { return }
                if isPaused { state = .holding(run) } else { tell(run) }
            }
        } catch {
            trap("the pool's threads were made at the start, and cannot be made now: \(error)")
        }
    }

    private static func run(_ file: SharedDescriptor, _ offset: UInt64, _ count: Int) -> Run {
        guard count > 0 else { return .end }
        do throws(UVError) {
            let bytes = try file.bytes(from: offset, count: count)
            return bytes.isEmpty ? .end : .bytes(bytes)
        } catch {
            return .failed(error)
        }
    }

    private func tell(_ run: Run) {
        switch run {
        case .bytes(let bytes):
            offset += UInt64(bytes.count)
            left -= UInt64(bytes.count)
            state = .waiting
            onBytes?(self, bytes.span.bytes)
            read()
        case .end: end(nil)
        case .failed(let error): end(error)
        }
    }

    private func end(_ error: UVError?) {
        state = .ended
        // `uv_timer_stop` always returns 0.
        _ = uv_timer_stop(raw.timer)
        onBytes = nil
        onEnd.take()?(self, error)
    }

    override func willClose() {
        onBytes = nil
        if !isCanceled { onEnd = nil }
    }

    override func didClose() {
        state = .ended
        if let onEnd = onEnd.take(), isCanceled { onEnd(self, .canceled) }
    }
}
