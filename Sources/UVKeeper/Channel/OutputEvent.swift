public import KeeperProtocol

/// What a read tells beside the bytes.
public enum OutputEvent: Sendable {
    /// Bytes of a stream are gone: older than what is kept, or the disk did not take them.
    case gap(ChildStream, Range<UInt64>)
    /// A read that does not follow has had everything up to these offsets. The last event.
    case finished([ChildStream: UInt64])
    /// The session has ended, and everything that is kept of its output was read; nil if nobody knows how it ended. The last
    /// event.
    case ended(SessionExit?)
    /// The read cannot go on. The last event.
    case failed(KeeperError)
}

/// Where a read begins.
public enum OutputStart: Hashable, Sendable {
    /// With the oldest byte that is kept.
    case start
    /// With the next byte that comes.
    case end
    /// So many bytes before the end, or what is kept of them.
    case last(UInt64)
    /// An offset for each stream, in the epoch that they count in; one behind the end of its stream is an error
    /// (``KeeperError/offsetBeyondEnd(_:_:offset:end:)``).
    case offsets([ChildStream: UInt64], epoch: String)
}

extension OutputStart {
    /// The error of a read that was to begin behind the end of a stream; nil if it was not.
    package func beyondEnd(of session: SessionID, _ end: (ChildStream) -> UInt64?) -> KeeperError? {
        guard case .offsets(let offsets, _) = self else { return nil }
        for stream in ChildStream.allCases {
            guard let offset = offsets[stream], let end = end(stream), offset > end else { continue }
            return .offsetBeyondEnd(session, stream, offset: offset, end: end)
        }
        return nil
    }

    /// The offset of each stream to begin with, in what is kept.
    func offsets(of streams: [ChildStream], in output: SessionExit.Output) -> [ChildStream: UInt64] {
        var offsets: [ChildStream: UInt64] = [:]
        for stream in streams {
            let kept = output[stream]
            offsets[stream] =
                switch self {
                case .start: kept.start
                case .end: kept.end
                case .last(let count): kept.end - min(count, kept.end - kept.start)
                case .offsets(let offsets, _): min(offsets[stream] ?? kept.end, kept.end)
                }
        }
        return offsets
    }
}
