#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#elseif canImport(Glibc)
import Glibc
#endif

/// Bytes that wait for the child's pipe, in blocks: what has been written makes room for the next ones, and nothing is moved.
///
/// Blocks are the system's own pages: the C library would keep the memory of a long queue for as long as a session lives.
struct LineQueue: ~Copyable {
    private static let blockCapacity = 65536
    private struct Block {
        let base: UnsafeMutableRawPointer
        var count = 0
    }

    private var blocks: [Block] = []
    /// Blocks before this one have been taken.
    private var first = 0
    /// Blocks for the next bytes: given back and taken anew for each, memory would cost more than the copy.
    private var spare: [UnsafeMutableRawPointer] = []
    /// How many bytes wait.
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
        // Cannot fail: it is one whole mapping.
        _ = munmap(base, blockCapacity)
    }

    var isEmpty: Bool { count == 0 }

    /// Adds all of `bytes`.
    ///
    /// - Returns: false, and nothing is added, if there is no memory for it.
    mutating func append(_ bytes: RawSpan) -> Bool {
        let room = first < blocks.count ? LineQueue.blockCapacity - blocks[blocks.count - 1].count : 0
        let wanted = max(0, bytes.byteCount - room + LineQueue.blockCapacity - 1) / LineQueue.blockCapacity
        var fresh: [Block] = []
        fresh.reserveCapacity(wanted)
        for _ in 0..<wanted {
            guard let base = spare.popLast() ?? LineQueue.allocate() else {
                for block in fresh { LineQueue.release(block.base) }
                return false
            }
            fresh.append(Block(base: base))
        }
        bytes.withUnsafeBytes { source in
            var rest = UnsafeRawBufferPointer(rebasing: source[fill(source)...])
            for index in fresh.indices {
                let part = min(rest.count, LineQueue.blockCapacity)
                fresh[index].base.copyMemory(from: rest.baseAddress!, byteCount: part)
                fresh[index].count = part
                rest = UnsafeRawBufferPointer(rebasing: rest[part...])
            }
        }
        blocks += fresh
        count += bytes.byteCount
        return true
    }

    /// Lends the next block to `body` and forgets it.
    mutating func takeFirst(_ body: (RawSpan) -> Void) {
        let block = blocks[first]
        first += 1
        count -= block.count
        // Not for each one alone, which would move the others.
        if first == blocks.count || first > 64 {
            blocks.removeFirst(first)
            first = 0
        }
        body(UnsafeRawBufferPointer(start: block.base, count: block.count).bytes)
        spare.append(block.base)
    }

    /// True if memory is kept for the next bytes.
    var hasSpare: Bool { !spare.isEmpty }

    /// Gives back the memory that is kept for the next bytes.
    mutating func releaseSpare() {
        for base in spare { LineQueue.release(base) }
        spare = []
    }

    mutating func removeAll() {
        for block in blocks[first...] { LineQueue.release(block.base) }
        blocks = []
        first = 0
        count = 0
    }

    /// Fills up the last block.
    ///
    /// - Returns: how many bytes it took.
    private mutating func fill(_ source: UnsafeRawBufferPointer) -> Int {
        guard first < blocks.count, let start = source.baseAddress else { return 0 }
        let last = blocks.count - 1
        let part = min(source.count, LineQueue.blockCapacity - blocks[last].count)
        (blocks[last].base + blocks[last].count).copyMemory(from: start, byteCount: part)
        blocks[last].count += part
        return part
    }
}
