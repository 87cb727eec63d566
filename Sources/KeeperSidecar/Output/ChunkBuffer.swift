/// The memory that the child's output is read into, with room before it for a message header, so that one write sends
/// both.
///
/// A keeper has a single one. Pages never touched cost nothing.
final class ChunkBuffer {
    static let capacity = 65_536
    private static let headroom = 64

    private let base = UnsafeMutableRawPointer.allocate(byteCount: headroom + capacity, alignment: 16)

    deinit { base.deallocate() }

    /// The memory that output is read into.
    var payload: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: base + ChunkBuffer.headroom, count: ChunkBuffer.capacity)
    }

    /// The first bytes of the payload, with a header before them.
    func message(_ header: [UInt8], _ byteCount: Int) -> UnsafeRawBufferPointer {
        precondition(header.count <= ChunkBuffer.headroom, "a header of \(header.count) bytes")
        let start = base + ChunkBuffer.headroom - header.count
        header.withUnsafeBytes { start.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        return UnsafeRawBufferPointer(start: start, count: header.count + byteCount)
    }
}
