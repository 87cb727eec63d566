public import KeeperProtocol

/// The events of a read besides the bytes.
public enum OutputEvent: Sendable {
    /// Bytes of a stream are gone: they are older than the kept ones, or the disk did not take them.
    case gap(ChildStream, Range<UInt64>)
    /// A read that does not follow has had everything up to these offsets. The last event.
    case finished([ChildStream: UInt64])
    /// The session has ended, and all its kept output was read; nil if it is not known how the session ended. The last
    /// event.
    case ended(SessionExit?)
    /// The read cannot go on. The last event.
    case failed(KeeperError)
}

/// The place at which a read begins.
public enum OutputStart: Hashable, Sendable {
    /// The oldest byte that is kept.
    case start
    /// The next byte to come.
    case end
    /// The last bytes before the end, so many, or as many of them as are kept.
    case last(UInt64)
    /// An offset for each stream, in the epoch in which they count; an offset beyond the end of its stream is an error
    /// (``KeeperError/offsetBeyondEnd(_:_:offset:end:)``).
    case offsets([ChildStream: UInt64], epoch: String)
}

extension OutputStart {
    /// The place in the words of a request.
    var requested: ReadRequest.Start {
        switch self {
        case .start: .start
        case .end: .end
        case .last(let count): .last(count)
        case .offsets(let offsets, _): .offsets(offsets)
        }
    }

    /// The epoch in which offsets count; nil for the other places, which every epoch has.
    var epoch: String? {
        if case .offsets(_, let epoch) = self { epoch } else { nil }
    }

    /// The place without the offsets of other streams, which do not matter.
    func limited(to streams: [ChildStream]) -> OutputStart {
        guard case .offsets(let offsets, let epoch) = self else { return self }
        return .offsets(offsets.filter { streams.contains($0.key) }, epoch: epoch)
    }

    /// The error of a read that was to begin beyond the end of a stream; nil if all offsets are within.
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
