internal import KeeperProtocol
internal import UVLoop

/// The keeper's end of one of the child's output pipes, which is always drained.
final class OutputPipe {
    /// The most reads in one wake-up, so that the loop is not kept long.
    private static let readsPerTurn = 4

    let stream: ChildStream
    private let buffer: ChunkBuffer
    private var pipe: OwnedDescriptor?
    private let poll: PollHandle
    private let watches: Backoff
    /// Called with the bytes read, which are lent; their memory is ``ChunkBuffer/payload``.
    private let onBytes: (UnsafeRawBufferPointer) -> Void
    /// Called once when every writer has closed the pipe.
    var onEnd: (() -> Void)?

    /// Takes over the pipe, which must not block.
    init(
        _ pipe: consuming OwnedDescriptor, _ stream: ChildStream, buffer: ChunkBuffer, on loop: Loop,
        onBytes: @escaping (UnsafeRawBufferPointer) -> Void,
    ) throws(UVError) {
        self.stream = stream
        self.buffer = buffer
        self.onBytes = onBytes
        let number = pipe.number
        do throws(UVError) { poll = try PollHandle(descriptor: number, on: loop) } catch {
            pipe.close()
            throw error
        }
        watches = Backoff(from: .milliseconds(50), to: .milliseconds(50), on: loop)
        self.pipe = consume pipe
        watch()
    }

    var hasEnded: Bool { pipe == nil }

    private func watch() {
        do throws(UVError) {
            try poll.start(.readable) { [unowned self] _, _, _ in read(OutputPipe.readsPerTurn) }
        } catch {
            // The watch failed: the user or the system has none left. A timer takes its place.
            watches.start(isReferenced: false) { [unowned self] in
                read(OutputPipe.readsPerTurn)
                if !hasEnded { watch() }
            }
        }
    }

    private func read(_ times: Int) {
        for _ in 0..<times {
            guard let number = pipe?.number else { return }
            switch Descriptors.receive(from: number, into: buffer.payload) {
            case .bytes(let count):
                onBytes(UnsafeRawBufferPointer(rebasing: buffer.payload[..<count]))
                // A read shorter than asked for has emptied the pipe.
                if count < ChunkBuffer.capacity { return }
            case .wouldBlock: return
            case .end, .failed: return end()
            }
        }
    }

    /// Reads everything in the pipe now: until a read would block, or as much as the pipe can hold.
    func drain() {
        guard let number = pipe?.number else { return }
        var left = Descriptors.capacity(ofPipe: number)
        while left > 0, !hasEnded {
            switch Descriptors.receive(from: number, into: buffer.payload) {
            case .bytes(let count):
                left -= count
                onBytes(UnsafeRawBufferPointer(rebasing: buffer.payload[..<count]))
            case .wouldBlock: return
            case .end, .failed: return end()
            }
        }
    }

    private func end() {
        close()
        onEnd?()
    }

    func close() {
        poll.close()
        watches.close()
        pipe.take()?.close()
    }
}
