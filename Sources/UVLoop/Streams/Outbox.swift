internal import CLibUV

/// Bytes that wait to be written, in one growing block of memory.
///
/// A stream has two: libuv writes from one while the other collects, so that however many writes queue up, libuv is given
/// one at a time (H25: libuv 1.44 sends one request per wake-up), from memory that outlives the call (H22). Small writes
/// are copied together; a block that grew large is given back when it has been written.
struct Outbox: ~Copyable {
    private static let keptCapacity = 65536

    private var base: UnsafeMutableRawPointer?
    private var capacity = 0
    private(set) var count = 0

    deinit { free(base) }

    var isEmpty: Bool { count == 0 }

    /// What is in it; the memory stays where it is until the next `append` or `removeAll`.
    var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: base, count: count) }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
        if count + bytes.count > capacity {
            capacity = max(4096, 2 * capacity, count + bytes.count)
            base = realloc(base, capacity)
            precondition(base != nil, "out of memory")
        }
        (base! + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    mutating func removeAll() {
        count = 0
        guard capacity > Outbox.keptCapacity else { return }
        free(base)
        base = nil
        capacity = 0
    }
}
