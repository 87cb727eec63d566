internal import KeeperProtocol
internal import UVLoop

/// What the clients of all doors may take together: descriptors, and memory for what is not whole yet.
final class ClientBudget {
    /// Descriptors that are kept back for segments, record, log and the end of the session.
    private static let keptBack = 16
    /// With fewer descriptors than this for everything, only what the end of a session takes is kept back.
    private static let lowestLimit: UInt64 = 64
    private static let leastKeptBack = 3
    /// The keeper's own descriptors have lower numbers than this.
    private static let mostOwn = 256

    /// How many clients there may be.
    private(set) var limit = Int.max
    /// Bytes of lines that are not whole, of all clients.
    private(set) var pendingByteCount = 0
    private let pendingLimit: Int
    /// For each door: the client with the longest line that is not whole, and how to lose it.
    var largest: [() -> (byteCount: Int, lose: () -> Void)?] = []
    private(set) var count = 0
    /// Called when there is room for clients, or none any more.
    var onChange: (() -> Void)?

    init(pendingLimit: Int) { self.pendingLimit = pendingLimit }

    /// Counts what the keeper itself has open by now; the rest is the clients'.
    func measure() {
        let soft = DescriptorLimit.current.soft
        guard soft < 1 << 20 else { return }
        let keptBack = soft < ClientBudget.lowestLimit ? ClientBudget.leastKeptBack : ClientBudget.keptBack
        limit = max(1, Int(soft) - Descriptors.openCount(below: ClientBudget.mostOwn) - keptBack)
    }

    /// The raw socket's share, so that there is always room on the channel.
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

    /// Notes that a client's unfinished bytes have become more, or fewer.
    func changePending(by difference: Int) { pendingByteCount += difference }

    /// Makes room for so many more bytes by losing the longest line that is not whole, of whatever door: not the one that
    /// happens to have come last, which may be short.
    ///
    /// - Parameters:
    ///   - excess: bytes of whole lines that have no room elsewhere.
    ///   - isServed: false if the client that needs the room is lost itself.
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
