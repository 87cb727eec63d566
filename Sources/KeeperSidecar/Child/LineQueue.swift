internal import UVLoop

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#elseif canImport(Glibc)
import Glibc
#endif

/// Bytes that wait for the child's pipe, in blocks: written blocks are reused for new bytes, and no bytes are moved.
///
/// Blocks are mapped pages of the system: the C library would keep the memory of a long queue for the rest of the
/// session. A single block stays mapped, so that a line costs no call for memory.
struct LineQueue: ~Copyable {
    static let blockCapacity = 65536
    private struct Block {
        let base: UnsafeMutableRawPointer
        /// The offset of the first byte not yet removed.
        var start = 0
        var end = 0
    }

    private var blocks: [Block] = []
    /// The index of the first block that still has bytes.
    private var first = 0
    /// Blocks for the next bytes: to unmap and map memory for each would cost more than the copy.
    private var spare: [UnsafeMutableRawPointer] = []
    /// The number of bytes that wait.
    private(set) var count = 0

    deinit {
        for block in blocks[first...] { LineQueue.release(block.base) }
        for base in spare { LineQueue.release(base) }
    }

    private static func allocate() -> UnsafeMutableRawPointer? {
        let base = mmap(nil, blockCapacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | CInt(MAP_ANONYMOUS), -1, 0)
        return base == MAP_FAILED ? nil : base
    }

    private static func release(_ base: UnsafeMutableRawPointer) {
        // Cannot fail: the range is one whole mapping.
        _ = munmap(base, blockCapacity)
    }

    var isEmpty: Bool { count == 0 }

    /// Adds all of `bytes`.
    ///
    /// - Returns: false if there is no memory for the bytes; then nothing is added.
    mutating func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard reserve(bytes.count) else { return false }
        var rest = UnsafeRawBufferPointer(rebasing: bytes[fill(bytes)...])
        while !rest.isEmpty {
            // A spare block is there: all blocks needed were reserved.
            blocks.append(Block(base: spare.removeLast()))
            rest = UnsafeRawBufferPointer(rebasing: rest[fill(rest)...])
        }
        count += bytes.count
        return true
    }

    /// Allocates memory for so many more bytes.
    ///
    /// - Returns: false if there is no memory.
    mutating func reserve(_ byteCount: Int) -> Bool {
        let room = first < blocks.count ? LineQueue.blockCapacity - blocks[blocks.count - 1].end : 0
        let wanted = max(0, byteCount - room + LineQueue.blockCapacity - 1) / LineQueue.blockCapacity
        while spare.count < wanted {
            guard let base = LineQueue.allocate() else { return false }
            spare.append(base)
        }
        return true
    }

    /// The bytes at the front of the queue, in one piece; empty if nothing waits. Valid until the queue is changed.
    var firstBytes: UnsafeRawBufferPointer {
        guard first < blocks.count else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let block = blocks[first]
        return UnsafeRawBufferPointer(start: block.base + block.start, count: block.end - block.start)
    }

    /// Removes so many of the ``firstBytes``.
    mutating func removeFirst(_ byteCount: Int) {
        count -= byteCount
        blocks[first].start += byteCount
        guard blocks[first].start == blocks[first].end else { return }
        spare.append(blocks[first].base)
        first += 1
        // Empty blocks are removed many at a time, since each removal moves the others.
        if first == blocks.count || first > 64 {
            blocks.removeFirst(first)
            first = 0
        }
    }

    /// The number of bytes up to the first newline and with it; nil without one.
    var lineLength: Int? {
        var length = 0
        for block in blocks[first...] {
            let bytes = UnsafeRawBufferPointer(start: block.base + block.start, count: block.end - block.start)
            if let newline = NewlineScan.first(in: bytes) { return length + newline + 1 }
            length += bytes.count
        }
        return nil
    }

    /// Removes everything after the first `byteCount` bytes.
    mutating func cut(after byteCount: Int) {
        guard byteCount < count else { return }
        var rest = byteCount
        for index in blocks.indices[first...] {
            let length = blocks[index].end - blocks[index].start
            guard rest <= length else {
                rest -= length
                continue
            }
            blocks[index].end = blocks[index].start + rest
            for later in blocks[(index + 1)...] { LineQueue.release(later.base) }
            blocks.removeLast(blocks.count - (index + 1))
            break
        }
        count = byteCount
    }

    /// True if more spare memory is kept than an idle keeper needs.
    var hasSpare: Bool { spare.count > 1 }

    /// Gives back the spare memory, except for one block.
    mutating func releaseSpare() {
        while spare.count > 1 { LineQueue.release(spare.removeLast()) }
    }

    mutating func removeAll() {
        for block in blocks[first...] { LineQueue.release(block.base) }
        blocks = []
        first = 0
        count = 0
    }

    /// Fills up the last block.
    ///
    /// - Returns: the number of bytes it took.
    private mutating func fill(_ source: UnsafeRawBufferPointer) -> Int {
        guard first < blocks.count, let start = source.baseAddress else { return 0 }
        let last = blocks.count - 1
        let part = min(source.count, LineQueue.blockCapacity - blocks[last].end)
        (blocks[last].base + blocks[last].end).copyMemory(from: start, byteCount: part)
        blocks[last].end += part
        return part
    }
}
