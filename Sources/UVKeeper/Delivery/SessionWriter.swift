internal import KeeperProtocol

/// The identity of this manager to a session's keeper: a name, the epoch in which it began, and the last number given
/// out.
final class SessionWriter {
    let name: WriterName
    /// True if the host has given the name and keeps count itself: it must then be told when a session has begun anew.
    let isHosts: Bool
    /// The epoch; nil before the first connection, unless the host has said where it goes on.
    var epoch: String?
    var last: UInt64 = 0
    /// The highest number in the child's pipe, as last acknowledged on the present connection.
    var acknowledged: UInt64 = 0
    /// The reason why no line is taken any more; nil while lines are taken.
    var refusal: KeeperError?

    init(_ name: WriterName?) {
        isHosts = name != nil
        self.name = name ?? WriterName.passing(random: .random(in: .min ... .max))
    }

    /// Called when the session has ended and every line has its outcome. A host that keeps count is told by the next
    /// keeper, which has another epoch: the host's journal counts in this one.
    func endEpoch() {
        if !isHosts { forget() }
    }

    /// Forgets the epoch: no line was sent to the session's present life.
    func forget() {
        epoch = nil
        last = 0
    }

    /// The first message on a connection.
    ///
    /// - Parameter hasUnresolved: true if lines were sent in an epoch about which nothing more is known yet.
    func introduction(epoch current: String, hasUnresolved: Bool) -> ChannelRequest {
        if epoch != current, !hasUnresolved, !isHosts {
            // The epoch is that of another life of the session.
            forget()
        }
        return .writer(name, epoch: epoch, last: epoch == nil && last == 0 ? nil : last)
    }
}
