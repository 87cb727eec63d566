/// The bound on the requests that are served in a turn of the loop, and the order of the clients whose next request waits
/// for a later turn.
///
/// Work is counted in bytes: those of requests and of their answers, and some for each request. Lines are not counted.
final class RequestTurns {
    /// The work in a turn after which no request of the client is served any more; the less, the more clients wait, so
    /// that one with a single request has its turn soon.
    private static let mostOfClient = 4096...65_536
    /// The work in a turn after which no request of any client is served any more.
    private static let most = 262_144
    /// The work of a request besides its bytes and those of its answer.
    static let request = 1024

    /// The work of a client in the turn of this number.
    struct Share {
        fileprivate var turn = 0
        fileprivate var work = 0
        fileprivate var isPostponed = false
    }

    private var turn = 1
    private var work = 0
    /// The clients that wait for a later turn, in the order in which they began to wait.
    private var postponed: [ChannelClient] = []
    /// Schedules the end of the present turn.
    private let scheduleEnd: () -> Void

    init(scheduleEnd: @escaping () -> Void) { self.scheduleEnd = scheduleEnd }

    /// Counts work for a client.
    func note(_ byteCount: Int, for client: ChannelClient) {
        if work == 0 { scheduleEnd() }
        work += byteCount
        if client.share.turn != turn {
            client.share.turn = turn
            client.share.work = 0
        }
        client.share.work += byteCount
    }

    /// True if a request of the client may be served now; if not, ``serveNext()`` resumes the client.
    func mayServe(_ client: ChannelClient) -> Bool {
        let bounds = RequestTurns.mostOfClient
        let most = min(max(RequestTurns.most / (postponed.count + 1), bounds.lowerBound), bounds.upperBound)
        let isUsedUp = client.share.turn == turn && client.share.work >= most
        guard isUsedUp || work >= RequestTurns.most else { return true }
        if !client.share.isPostponed {
            client.share.isPostponed = true
            postponed.append(client)
            scheduleEnd()
        }
        return false
    }

    /// Begins the next turn.
    func begin() {
        turn += 1
        work = 0
    }

    /// Resumes clients that wait, as far as the turn's work goes.
    func serveNext() {
        let count = postponed.count
        guard count > 0 else { return }
        var served = 0
        while served < count, work < RequestTurns.most {
            let client = postponed[served]
            served += 1
            client.share.isPostponed = false
            client.resume()
        }
        postponed.removeFirst(served)
        if !postponed.isEmpty { scheduleEnd() }
    }
}
