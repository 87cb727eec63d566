internal import KeeperProtocol

/// Where a child's output goes.
protocol OutputSink: AnyObject {
    /// Takes bytes, which are lent.
    func receive(_ bytes: UnsafeRawBufferPointer, of stream: ChildStream)
    /// A stream has ended.
    func end(_ stream: ChildStream)
    /// Bytes that could not be written, of each stream.
    var lost: SessionStatus.Streams<UInt64> { get }
}
