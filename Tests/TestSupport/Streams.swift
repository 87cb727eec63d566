import Testing
public import UVLoop

extension UVLoop.Stream {
    /// Reads to the end, closes the stream and passes on all bytes.
    public func collect(_ completion: @escaping ([UInt8]) -> Void) throws {
        var bytes: [UInt8] = []
        try readStart(
            onBytes: { _, span in span.withUnsafeBytes { bytes.append(contentsOf: $0) } },
            onEnd: { stream, _ in
                stream.close()
                completion(bytes)
            },
        )
    }
}

/// Two streams connected to each other over a socket in a directory of its own.
public func makeStreamPair(on loop: Loop) throws -> (PipeStream, PipeStream) {
    try withTemporaryDirectory { directory in
        var accepted: PipeStream?
        var connected: PipeStream?
        var failure: (any Error)?
        let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
        try listener.listen { listener, result in
            do { accepted = try result.get() } catch { failure = error }
            listener.close()
        }
        _ = try PipeStream(connectingTo: listener.path, on: loop) { stream, error in
            connected = stream
            failure = error ?? failure
        }
        try run(loop) { accepted != nil && connected != nil || failure != nil }
        if let failure { throw failure }
        return (connected!, accepted!)
    }
}
