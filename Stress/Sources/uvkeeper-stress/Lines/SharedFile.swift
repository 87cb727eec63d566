#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A file mapped into memory and shared between processes: a value stored by one is there for the others at once, and
/// stays when that process is killed. The file is sparse: untouched pages take no space.
///
/// Words are 64 bits at 8-byte offsets, so another process sees a whole one. Mirrors `mmap(2)`.
final class SharedFile {
    let base: UnsafeMutableRawPointer
    let byteCount: Int

    /// Creates the file, or opens it if it is there, and maps it.
    init(_ path: String, byteCount: Int) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StressError("cannot open \(path): errno \(errno)") }
        // The mapping keeps the file open.
        defer { _ = close(descriptor) }
        guard ftruncate(descriptor, off_t(byteCount)) == 0,
            let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), base != MAP_FAILED
        else { throw StressError("cannot map \(path): errno \(errno)") }
        self.base = base
        self.byteCount = byteCount
    }

    deinit { munmap(base, byteCount) }

    /// The word with this number.
    @inline(__always)
    subscript(word: Int) -> UInt64 {
        get { base.load(fromByteOffset: word &* 8, as: UInt64.self) }
        set { base.storeBytes(of: newValue, toByteOffset: word &* 8, as: UInt64.self) }
    }
}

/// The reason why the harness itself cannot go on; no fault of the system under test.
struct StressError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
