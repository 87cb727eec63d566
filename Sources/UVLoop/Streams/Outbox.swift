internal import CLibUV

/// Bytes that wait to be written, in one growing block of memory.
///
/// A stream has two: libuv writes from one while the other collects. However many writes queue up, libuv is thus given
/// one at a time (H25: libuv 1.44 sends one request per wake-up), from memory that outlives the call (H22). Small
/// writes are copied together; a block that grew large is freed once it has been written.
package struct Outbox: ~Copyable {
    private static let keptCapacity = 65536

    private var base: UnsafeMutableRawPointer?
    private var capacity = 0
    package private(set) var count = 0
    /// The largest allocation allowed; tests lower it to exhaust the memory.
    var memoryLimit = Int.max

    package init() {}

    deinit { free(base) }

    package var isEmpty: Bool { count == 0 }

    /// The bytes in the block; the memory stays in place until the next `append` or `removeAll`.
    package var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: base, count: count) }

    /// Adds the bytes, all or none.
    ///
    /// - Returns: false if there is no memory for them; the bytes already in the block stay.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return true }
        guard reserve(bytes.count) else { return false }
        (base! + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
        return true
    }

    /// Makes room for `added` more bytes; returns false if there is no memory for them.
    mutating func reserve(_ added: Int) -> Bool {
        let size = count + added
        guard size > capacity else { return true }
        // The size is doubled, so that many small writes are copied a bounded number of times; if that fails, just
        // enough is tried.
        for wanted in [max(4096, 2 * capacity, size), size] {
            guard wanted <= memoryLimit, let grown = realloc(base, wanted) else { continue }
            base = grown
            capacity = wanted
            return true
        }
        return false
    }

    package mutating func removeAll() {
        count = 0
        guard capacity > Outbox.keptCapacity else { return }
        free(base)
        base = nil
        capacity = 0
    }
}
