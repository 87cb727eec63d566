internal import KeeperProtocol
internal import UVLoop

/// The child's two output streams: always drained, into what keeps them.
final class ChildOutput {
    /// How long the end of a stream is waited for that something else than the child may hold open.
    private static let holdTime = Duration.milliseconds(250)
    /// How much of the last standard error is kept for the record.
    private static let tailByteCount = 4096

    let sink: any OutputSink
    private let loop: Loop
    private let buffer: ChunkBuffer
    private var pipes: [OutputPipe] = []
    private var timer: TimerHandle?
    private var onFinished: ((_ isHeld: Bool) -> Void)?
    /// The last of standard error, and more.
    private var tail: [UInt8] = []
    /// True once bytes before the tail have gone.
    private var isTailCut = false
    /// When the child last wrote something, since 1970; nil: never.
    private(set) var lastOutputAt: Duration?

    /// - Parameter buffer: the sink knows that what it is lent is in there.
    init(into sink: any OutputSink, buffer: ChunkBuffer, on loop: Loop) {
        self.sink = sink
        self.buffer = buffer
        self.loop = loop
    }

    /// Makes the pipe of one stream.
    ///
    /// - Returns: the child's end, which is the caller's.
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

    /// After the child's end was collected: reads what is in the pipes, then waits for their ends, which something that the
    /// child has started may hold. `completion` runs once, on a later tick.
    func finish(_ completion: @escaping (_ isHeld: Bool) -> Void) {
        for pipe in pipes { pipe.drain() }
        guard !pipes.allSatisfy(\.hasEnded) else { return loop.onNextTick { completion(false) } }
        onFinished = completion
        timer = loop.after(ChildOutput.holdTime) { [unowned self] in
            timer = nil
            // What came in this very moment.
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
        // Not at each line, which would move the others each time.
        if tail.count > 4 * ChildOutput.tailByteCount { tail.removeFirst(tail.count - ChildOutput.tailByteCount) }
    }

    /// The last 4 KiB of what the child wrote to its standard error, with what is no UTF-8 repaired.
    var standardErrorTail: String {
        var bytes = tail.suffix(ChildOutput.tailByteCount)
        // A character that was cut in two.
        if isTailCut { bytes = bytes.drop { $0 & 0xC0 == 0x80 } }
        return String(decoding: bytes, as: UTF8.self)
    }
}
