/// The harm that a deliberately faulty child or keeper does to one line in ten thousand: the proof that the harness
/// notices.
struct Mischief {
    enum Kind: String, CaseIterable, Sendable {
        case none, drop, duplicate, tear, reorder
    }

    static let interval = 10_000

    let kind: Kind
    private let interval: Int
    private var count = 0
    private var held: [UInt8] = []

    init(_ kind: Kind, interval: Int = Mischief.interval) {
        self.kind = kind
        self.interval = interval
    }

    var isNone: Bool { kind == .none }

    /// Passes a line on, or harms it.
    mutating func pass(_ base: UnsafeRawPointer, _ count: Int, _ next: (UnsafeRawPointer, Int) -> Void) {
        self.count += 1
        // The line is in the middle of an interval, so that short runs meet one too.
        guard self.count % interval == interval / 2 else {
            next(base, count)
            // A held line is passed on once a line of the same writer has overtaken it.
            if !held.isEmpty, isSameWriter(base, count) { flush(next) }
            return
        }
        switch kind {
        case .none: next(base, count)
        case .drop: break
        case .duplicate:
            next(base, count)
            next(base, count)
        case .tear:
            var half = Array(UnsafeRawBufferPointer(start: base, count: count / 2))
            half.append(UInt8(ascii: "\n"))
            half.withUnsafeBytes { next($0.baseAddress!, $0.count) }
            next(base + count / 2, count - count / 2)
        case .reorder: held = Array(UnsafeRawBufferPointer(start: base, count: count))
        }
    }

    /// Passes on a line that was held back.
    mutating func flush(_ next: (UnsafeRawPointer, Int) -> Void) {
        guard !held.isEmpty else { return }
        held.withUnsafeBytes { next($0.baseAddress!, $0.count) }
        held = []
    }

    private func isSameWriter(_ base: UnsafeRawPointer, _ count: Int) -> Bool {
        count >= 5 && held.withUnsafeBytes { $0[..<5].elementsEqual(UnsafeRawBufferPointer(start: base, count: 5)) }
    }
}
