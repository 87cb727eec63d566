internal import KeeperProtocol
internal import UVLoop

/// The child's two output streams, always drained into a sink.
final class ChildOutput {
    /// The longest wait for the end of a stream that another process than the child may hold open.
    private static let holdTime = Duration.milliseconds(250)
    /// The bytes of standard error kept for the record.
    private static let tailByteCount = 4096

    let sink: any OutputSink
    private let loop: Loop
    private let buffer: ChunkBuffer
    private var pipes: [OutputPipe] = []
    private var timer: TimerHandle?
    private var onFinished: ((_ isHeld: Bool) -> Void)?
    /// The last bytes of standard error; up to four times as many as are needed.
    private var tail: [UInt8] = []
    /// True once bytes before the tail have been dropped.
    private var isTailCut = false
    /// The time of the child's last output, since 1970; nil if there was none.
    private(set) var lastOutputAt: Duration?

    /// - Parameter buffer: the memory that output is read into; the sink relies on lent bytes being in it.
    init(into sink: any OutputSink, buffer: ChunkBuffer, on loop: Loop) {
        self.sink = sink
        self.buffer = buffer
        self.loop = loop
    }

    /// Makes the pipe of one stream.
    ///
    /// - Returns: the child's end; the caller closes it.
    func makePipe(_ stream: ChildStream) throws(UVError) -> Int32 {
        let (readEnd, writeEnd) = try Descriptors.pipe(nonBlockingWrites: false)
        do throws(UVError) {
            let pipe = try OutputPipe(OwnedDescriptor(readEnd), stream, buffer: buffer, on: loop) {
                [unowned self] bytes in receive(bytes, of: stream)
            }
            pipe.onEnd = { [unowned self] in ended(stream) }
            pipes.append(pipe)
            return writeEnd
        } catch {
            OwnedDescriptor(writeEnd).close()
            throw error
        }
    }

    private func receive(_ bytes: UnsafeRawBufferPointer, of stream: ChildStream) {
        lastOutputAt = SystemClock.wallClockTime
        if stream == .err { keepTail(bytes) }
        sink.receive(bytes, of: stream)
    }

    private func ended(_ stream: ChildStream) {
        sink.end(stream)
        if pipes.allSatisfy(\.hasEnded) { finished(isHeld: false) }
    }

    // MARK: The end

    /// Reads the rest of the output once the child's end was collected, then waits for the ends of the pipes, which a
    /// process started by the child may hold open. `completion` runs once, on a later tick.
    func finish(_ completion: @escaping (_ isHeld: Bool) -> Void) {
        for pipe in pipes { pipe.drain() }
        guard !pipes.allSatisfy(\.hasEnded) else { return loop.onNextTick { completion(false) } }
        onFinished = completion
        timer = loop.after(ChildOutput.holdTime) { [unowned self] in
            timer = nil
            // The last bytes may have come at this very moment.
            for pipe in pipes { pipe.drain() }
            finished(isHeld: !pipes.allSatisfy(\.hasEnded))
        }
    }

    private func finished(isHeld: Bool) {
        guard let onFinished = onFinished.take() else { return }
        timer?.close()
        close()
        onFinished(isHeld)
    }

    func close() {
        for pipe in pipes where !pipe.hasEnded {
            pipe.close()
            sink.end(pipe.stream)
        }
    }

    // MARK: Last words

    private func keepTail(_ bytes: UnsafeRawBufferPointer) {
        tail += bytes.suffix(ChildOutput.tailByteCount)
        if tail.count > ChildOutput.tailByteCount || bytes.count > ChildOutput.tailByteCount { isTailCut = true }
        // The tail is trimmed seldom, not at each line, since each removal moves the rest.
        if tail.count > 4 * ChildOutput.tailByteCount { tail.removeFirst(tail.count - ChildOutput.tailByteCount) }
    }

    /// The last 4 KiB of the child's standard error, invalid UTF-8 repaired.
    var standardErrorTail: String {
        var bytes = tail.suffix(ChildOutput.tailByteCount)
        // The first character may have been cut in two.
        if isTailCut { bytes = bytes.drop { $0 & 0xC0 == 0x80 } }
        return String(decoding: bytes, as: UTF8.self)
    }
}
