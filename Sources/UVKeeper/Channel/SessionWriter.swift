internal import KeeperProtocol

/// Who this manager is to one session's keeper: a name, the epoch in which it began, and the last number that it has given out.
final class SessionWriter {
    let name: WriterName
    /// True if the host has given the name, and keeps count itself: it must be told when a session has begun anew.
    let isHosts: Bool
    /// Nil before the first connection, unless the host has said where it goes on.
    var epoch: String?
    var last: UInt64 = 0
    /// The highest number that the child's pipe has, as the keeper has said on the present connection.
    var acknowledged: UInt64 = 0
    /// Why no line is taken any more.
    var refusal: KeeperError?

    init(_ name: WriterName?) {
        isHosts = name != nil
        self.name = name ?? SessionWriter.randomName
    }

    /// The session has ended, and every line has its outcome. A host that keeps count is told by the next keeper, which knows
    /// another epoch: its journal counts in this one.
    func endEpoch() {
        guard !isHosts else { return }
        epoch = nil
        last = 0
    }

    private static var randomName: WriterName {
        let number = SessionRecord.epoch(random: .random(in: .min ... .max))
        // Every such text is a name.
        return WriterName("m-\(number)")!
    }

    /// The first message on a connection.
    ///
    /// - Parameter hasUnresolved: true if lines were sent in an epoch of which nothing more is known yet.
    func introduction(epoch current: String, hasUnresolved: Bool) -> ChannelRequest {
        if epoch != current, !hasUnresolved, !isHosts {
            // Another life of the session: nothing was sent in it.
            epoch = nil
            last = 0
        }
        return .writer(name, epoch: epoch, last: epoch == nil ? nil : last)
    }
}
