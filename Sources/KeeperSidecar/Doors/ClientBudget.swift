internal import KeeperProtocol
internal import UVLoop

/// The common limits of the clients of all doors: descriptors, and memory for unfinished lines.
final class ClientBudget {
    /// Descriptors that are kept back for segments, record, log and the end of the session.
    private static let keptBack = 16
    /// If the process may have fewer descriptors than this, only those needed for output and the end of a session are kept
    /// back: two segments and the record, one that libuv opens with the first connection, and one that each of the two
    /// listeners accepts beyond the limit.
    private static let lowestLimit: UInt64 = 64
    private static let leastKeptBack = 6
    /// The keeper's own descriptors have numbers below this.
    private static let mostOwn = 256

    /// The most clients at a time.
    private(set) var limit = Int.max
    /// Bytes of unfinished lines, of all clients.
    private(set) var pendingByteCount = 0
    private let pendingLimit: Int
    /// For each door: the client with the longest unfinished line, and a closure that loses the line.
    var largest: [() -> (byteCount: Int, lose: () -> Void)?] = []
    private(set) var count = 0
    /// Called when the clients reach the limit, and when there is room again.
    var onChange: (() -> Void)?

    init(pendingLimit: Int) { self.pendingLimit = pendingLimit }

    /// Counts the keeper's own open descriptors; the rest is for the clients.
    func measure() {
        let soft = DescriptorLimit.current.soft
        guard soft < 1 << 20 else { return }
        let keptBack = soft < ClientBudget.lowestLimit ? ClientBudget.leastKeptBack : ClientBudget.keptBack
        limit = max(1, Int(soft) - Descriptors.openCount(below: ClientBudget.mostOwn) - keptBack)
    }

    /// The raw socket's share of the limit, so that there is always room on the channel.
    var rawLimit: Int { max(1, limit / 4 * 3) }

    var isFull: Bool { count >= limit }

    func add() {
        count += 1
        if count == limit { onChange?() }
    }

    func remove() {
        count -= 1
        if count == limit - 1 { onChange?() }
    }

    /// Notes a change in a client's unfinished bytes.
    func changePending(by difference: Int) { pendingByteCount += difference }

    /// Makes room for so many more bytes by losing the longest unfinished line of any door: the one that happens to
    /// come last may be short.
    ///
    /// - Parameters:
    ///   - excess: bytes of whole lines that have no room elsewhere.
    ///   - isServed: false if the client that needs the room has itself been lost.
    func makeRoom(_ byteCount: Int, excess: Int = 0, isServed: () -> Bool) -> Bool {
        while pendingByteCount + excess + byteCount > pendingLimit {
            let candidates = largest.compactMap { $0() }
            guard let longest = candidates.max(by: { $0.byteCount < $1.byteCount }), longest.byteCount > 0 else {
                return true
            }
            longest.lose()
            guard isServed() else { return false }
        }
        return true
    }
}
