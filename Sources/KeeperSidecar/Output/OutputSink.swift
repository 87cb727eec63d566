internal import KeeperProtocol

/// A destination of a child's output.
protocol OutputSink: AnyObject {
    /// Takes bytes, which are lent.
    func receive(_ bytes: UnsafeRawBufferPointer, of stream: ChildStream)
    /// Called when a stream has ended.
    func end(_ stream: ChildStream)
    /// Bytes that could not be written, of each stream.
    var lost: SessionStatus.Streams<UInt64> { get }
}
