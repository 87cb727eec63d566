import UVKeeper

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The child of every session: reads its stdin and checks each line, into ``Receipts``. The child is this program,
/// started as `--verify FILE WRITERS FAULT OUTPUT`; with an OUTPUT other than 0 it also writes, see ``SpeakingChild``.
///
/// The code does not allocate per line or use Foundation, since a run must not measure the child.
final class VerifyingChild {
    static let argument = "--verify"

    private let receipts: Receipts
    private var mischief: Mischief

    init(_ receipts: Receipts, mischief: Mischief) {
        self.receipts = receipts
        self.mischief = mischief
    }

    /// Becomes the child if this process was started as one.
    static func runIfRequested(_ arguments: [String]) {
        guard arguments.count > 1, arguments[1] == argument else { return }
        guard arguments.count == 6, let writers = Int(arguments[3]), let kind = Mischief.Kind(rawValue: arguments[4]),
            let key = UInt64(arguments[5])
        else { exit(64) }
        do {
            let receipts = try Receipts(arguments[2], writers: writers)
            receipts[.outputKey] = key
            Stubbornness.begin(receipts)
            receipts[.startTime] = Receipts.startTime(of: getpid())
            receipts[.pid] = UInt64(getpid())
            let child = VerifyingChild(receipts, mischief: Mischief(kind))
            if key == 0 {
                child.run { read(0, $0, $1) }
            } else {
                let speaker = SpeakingChild(receipts)
                child.run { speaker.read($0, $1) }
            }
            Stubbornness.end(receipts)
        } catch {
            exit(70)
        }
        exit(0)
    }

    /// Checks the bytes that `read` returns, which works like `read(2)` of a descriptor, until its end.
    func run(_ read: (UnsafeMutableRawPointer, Int) -> Int) {
        var capacity = 4 * Receipts.readByteCount
        var buffer = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        defer { buffer.deallocate() }
        var held = 0
        while true {
            let pause = receipts[.pause]
            if pause > 0 { usleep(useconds_t(truncatingIfNeeded: min(pause, 1_000_000))) }
            if capacity - held < Receipts.readByteCount {
                let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity * 2, alignment: 16)
                larger.copyMemory(from: buffer, byteCount: held)
                buffer.deallocate()
                buffer = larger
                capacity *= 2
            }
            let count = read(buffer + held, Receipts.readByteCount)
            if count < 0 {
                if errno == EINTR { continue }
                break
            }
            if count == 0 { break }
            let used = lines(in: buffer, count: held + count, searchedTo: held)
            held = held + count - used
            if used > 0, held > 0 { memmove(buffer, buffer + used, held) }
        }
        mischief.flush { self.check($0, $1) }
        if held > 0 {
            receipts[.tails] &+= 1
            record(buffer, held, as: Receipts.tailKind)
        }
    }

    /// Checks every whole line and returns the number of their bytes.
    private func lines(in buffer: UnsafeMutableRawPointer, count: Int, searchedTo searched: Int) -> Int {
        var start = 0
        var search = searched
        while search < count, let found = memchr(buffer + search, 10, count - search) {
            let end = UnsafeMutableRawPointer(found) + 1 - buffer
            if mischief.isNone {
                check(buffer + start, end - start)
            } else {
                mischief.pass(UnsafeRawPointer(buffer + start), end - start) { self.check($0, $1) }
            }
            start = end
            search = end
        }
        return start
    }

    @inline(__always)
    private func check(_ base: UnsafeRawPointer, _ count: Int) {
        receipts[.lines] &+= 1
        let kind = base.load(as: UInt8.self)
        if kind == LineFormat.Kind.faulty {
            receipts[.fragments] &+= 1
        } else if let line = LineFormat(headerAt: base, count: count), line.isWhole(base, count: count) {
            receipts.note(line.writer, line.sequence, isOrdered: kind == LineFormat.Kind.ordered)
        } else {
            receipts[.torn] &+= 1
            record(base, count, as: kind)
        }
    }

    private func record(_ base: UnsafeRawPointer, _ count: Int, as kind: UInt8) {
        let line = LineFormat(headerAt: base, count: count)
        receipts.note(
            Receipts.Fragment(
                kind: kind, writer: line?.writer ?? -1, sequence: line?.sequence ?? -1, byteCount: count))
    }
}
