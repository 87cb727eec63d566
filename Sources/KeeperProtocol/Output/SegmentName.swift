package import UVLoop

/// The name of a file of a session's kept output: `<id>.<epoch>.out.<20 digits>`.
///
/// Names are always matched whole, since ids may contain dots.
package struct SegmentName: Hashable, Sendable {
    package let session: SessionID
    package let epoch: String
    package let stream: ChildStream
    /// The offset of the file's first byte.
    package let offset: UInt64

    package init(_ session: SessionID, epoch: String, _ stream: ChildStream, offset: UInt64) {
        self.session = session
        self.epoch = epoch
        self.stream = stream
        self.offset = offset
    }

    package var text: String {
        let digits = String(offset)
        let zeros = String(repeating: "0", count: 20 - digits.utf8.count)
        return "\(session).\(epoch).\(stream).\(zeros)\(digits)"
    }

    /// Nil if the name is not exactly that of a segment, with an offset that the protocol's numbers can tell.
    package init?(_ name: String) {
        let bytes = name.utf8
        // The name has an id, then a dot and 16 digits, a dot and three letters, a dot and 20 digits.
        guard bytes.count > 42, bytes.allSatisfy({ $0 < 0x80 }) else { return nil }
        let digits = bytes.suffix(20)
        let rest = bytes.dropLast(20)
        guard digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let offset = UInt64(Substring(digits)), offset <= JSONValue.largestNumber, rest.last == UInt8(ascii: "."),
            let stream = ChildStream(rawValue: String(Substring(rest.dropLast().suffix(3))))
        else { return nil }
        let stem = rest.dropLast(4)
        guard stem.last == UInt8(ascii: ".") else { return nil }
        let epoch = String(Substring(stem.dropLast().suffix(16)))
        let id = stem.dropLast(17)
        guard SessionRecord.isEpoch(epoch), id.last == UInt8(ascii: "."),
            let session = try? SessionID(String(Substring(id.dropLast())))
        else { return nil }
        self.init(session, epoch: epoch, stream, offset: offset)
    }
}

extension SegmentName {
    /// The offsets of the segments of one life of a session, in order, by stream.
    ///
    /// - Throws: the error of reading the directory: a lack of descriptors says nothing about the files.
    package static func all(
        of session: SessionID, epoch: String, in paths: KeeperPaths,
    ) throws(UVError) -> [ChildStream: [UInt64]] {
        var offsets: [ChildStream: [UInt64]] = [:]
        for name in try Files.names(inDirectory: paths.directory, startingWith: "\(session).\(epoch).") {
            guard let segment = SegmentName(name), segment.session == session, segment.epoch == epoch else {
                continue
            }
            offsets[segment.stream, default: []].append(segment.offset)
        }
        return offsets.mapValues { $0.sorted() }
    }
}
