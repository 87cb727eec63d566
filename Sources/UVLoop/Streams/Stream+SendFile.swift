internal import CLibUV

extension Stream {
    /// Sends a part of a regular file, after the bytes written before. The work is done on libuv's pool, so that a file
    /// on a slow disk blocks nobody, and without a copy in memory if the system can (`sendfile(2)`).
    ///
    /// `completion` runs once, on a later tick: with the number of bytes that the kernel has taken, fewer than asked
    /// for only at the end of the file, or with the error of the stream or the file; ``UVError/canceled`` if the stream
    /// was closed first. Do not write meanwhile: the bytes would come in between. A ``shutdown(_:)`` waits for the
    /// file. Mirrors `uv_fs_sendfile`.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - offset: the place in the file to begin at; past its end there are no bytes to send.
    ///   - limit: the most bytes to send; nil: to the end of the file.
    ///   - completion: given the number of bytes that were sent, or what failed; runs once, on a later tick.
    /// - Throws: the errors of ``OpenFile/init(_:_:)``, ``UVError/notConnected`` for a stream that is not open,
    ///   ``UVError/wouldBlock`` if the pool's threads cannot be made; `completion` does not run then.
    public final func sendFile(
        _ path: String, from offset: UInt64 = 0, limit: UInt64? = nil,
        completion: @escaping (Result<UInt64, UVError>) -> Void,
    ) throws(UVError) {
        guard isUsable("\(publicName).sendFile: the stream is closed") else { throw .canceled }
        guard isOpen, let descriptor else { throw .notConnected }
        try ThreadPool.prepare()
        let file = try OpenFile(path, .readOnly)
        defer { file.close() }
        // Both descriptors are copies: the pool may be at work when the stream closes, and the stream's number may be
        // reused by then.
        let source = SharedDescriptor(try Descriptors.duplicate(file.descriptor))
        let sink = SharedDescriptor(try Descriptors.duplicate(descriptor))
        FileSending(self, source, sink, from: min(offset, UInt64(Int64.max)), limit ?? .max, completion).start()
    }
}

/// A file that is being sent. Keeps itself alive until it has ended.
private final class FileSending {
    private enum Step: Sendable {
        case sent(UInt64)
        /// The kernel takes no bytes at once, or cannot send this kind of file to this kind of stream, so the stream
        /// writes these.
        case read([UInt8])
        case end
        case failed(UVError)
    }

    private static let most = 1 << 20
    private static let chunk = 65536

    private let stream: Stream
    private let source: SharedDescriptor
    private let sink: SharedDescriptor
    private var offset: UInt64
    private var left: UInt64
    private var sent: UInt64 = 0
    private var completion: ((Result<UInt64, UVError>) -> Void)?

    init(
        _ stream: Stream, _ source: SharedDescriptor, _ sink: SharedDescriptor, from offset: UInt64, _ limit: UInt64,
        _ completion: @escaping (Result<UInt64, UVError>) -> Void,
    ) {
        self.stream = stream
        self.source = source
        self.sink = sink
        self.offset = offset
        left = limit
        self.completion = completion
    }

    func start() {
        stream.whenClosed(self) { self.end(.failure(.canceled)) }
        stream.holdShutdown()
        // The bytes written before come first.
        stream.write([]) { self.taken(0, $0) }
    }

    private func taken(_ count: UInt64, _ error: UVError?) {
        if let error { return end(.failure(error)) }
        // The stream's queue does not see these bytes, so the activity is noted here.
        if count > 0 { stream.idling?.noteActivity() }
        sent += count
        offset += count
        left -= count
        guard completion != nil else { return }
        do throws(UVError) {
            try stream.loop.queueWork({ [source, sink, offset, left] in
                FileSending.step(source, sink, offset, left)
            }) { [self] in after($0) }
        } catch {
            end(.failure(error))
        }
    }

    private func after(_ step: Step) {
        guard completion != nil, !stream.isClosing else { return }
        switch step {
        case .sent(let count): taken(count, nil)
        case .read(let bytes): stream.writeBeforeShutdown(bytes) { self.taken(UInt64(bytes.count), $0) }
        case .end: end(.success(sent))
        case .failed(let error): end(.failure(error))
        }
    }

    private func end(_ result: Result<UInt64, UVError>) {
        guard let completion = completion.take() else { return }
        // The stream is told to forget this object: it may live on, and the descriptors would stay open as long.
        stream.forget(self)
        completion(result)
        stream.releaseShutdown()
    }

    /// Sends or reads the next part. On the pool's thread.
    private static func step(
        _ source: SharedDescriptor, _ sink: SharedDescriptor, _ offset: UInt64, _ left: UInt64,
    ) -> Step {
        guard left > 0 else { return .end }
        #if os(Linux)
        var place = off_t(clamping: offset)
        let mask = BrokenPipeMask()
        let count = uvloop_sendfile(sink.number, source.number, &place, Int(min(left, UInt64(most))))
        let number = uvloop_errno()
        mask.restore()
        if count > 0 { return .sent(UInt64(count)) }
        if count == 0 { return .end }
        guard [EAGAIN, EINTR, EINVAL, ENOSYS].contains(number) else { return .failed(UVError(errno: number)) }
        #endif
        do throws(UVError) {
            let bytes = try source.bytes(from: offset, count: Int(min(left, UInt64(chunk))))
            return bytes.isEmpty ? .end : .read(bytes)
        } catch {
            return .failed(error)
        }
    }
}
