internal import KeeperProtocol
internal import UVLoop

/// One stream's segments: files that hold its last bytes, each named by the offset of its first.
final class KeptStream {
    struct Segment {
        let start: UInt64
        var end: UInt64
    }

    /// What there is at an offset.
    enum Place {
        /// Bytes up to `end`, in the segment that begins at `start`.
        case kept(start: UInt64, end: UInt64)
        /// Nothing up to here.
        case gap(end: UInt64)
    }

    /// More than these, however small they are, are not kept, unless the limit takes more.
    private static let mostSegments = 256
    /// How many segments are open for readers at a time.
    private static let mostOpen = 4

    let name: ChildStream
    private let session: SessionID
    private let epoch: String
    private let paths: KeeperPaths
    private let limit: UInt64
    private let segmentSize: Int
    private let mostSegments: Int
    private(set) var segments: [Segment] = []
    /// How many bytes the stream has had.
    private(set) var end: UInt64 = 0
    /// How many of them could not be written.
    private(set) var lostByteCount: UInt64 = 0
    /// The last segment, as long as it takes more.
    private var current: OpenFile?
    /// Those that are read, the last used last.
    private var open: [(start: UInt64, file: OpenFile)] = []
    /// Called with why bytes were lost.
    var onLoss: ((UVError) -> Void)?

    init(_ name: ChildStream, of session: SessionID, epoch: String, paths: KeeperPaths, limit: Int) {
        self.name = name
        self.session = session
        self.epoch = epoch
        self.paths = paths
        self.limit = UInt64(limit)
        segmentSize = min(max(limit / 16, 65_536), 1 << 20)
        mostSegments = max(KeptStream.mostSegments, limit / segmentSize + 2)
    }

    var range: KeptRange { KeptRange(start: segments.first?.start ?? end, end: end) }

    private func path(_ start: UInt64) -> String {
        paths.segment(SegmentName(session, epoch: epoch, name, offset: start))
    }

    // MARK: Writing

    /// Adds bytes; those that the disk does not take are a gap.
    func append(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while !rest.isEmpty {
            do throws(UVError) {
                let file = try segmentWithRoom()
                let room = segmentSize - Int(end - segments[segments.count - 1].start)
                let part = UnsafeRawBufferPointer(rebasing: rest.prefix(room))
                let count = try file.writeOnce(part)
                end += UInt64(count)
                segments[segments.count - 1].end = end
                removeOld()
                // A segment has no hole: after a short write the next one begins.
                if count < part.count || count == room { closeCurrent() }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } catch {
                let isEmpty = current == nil || segments[segments.count - 1].start == end
                closeCurrent()
                // One that has become too long, for a limit on the size of files, has a successor.
                guard isEmpty else { continue }
                end += UInt64(rest.count)
                lostByteCount += UInt64(rest.count)
                // On a full disk what is too old makes room for what comes next.
                removeOld()
                onLoss?(error)
                return
            }
        }
    }

    private func segmentWithRoom() throws(UVError) -> OpenFile {
        if let current { return current }
        let path = path(end)
        let file: OpenFile
        do throws(UVError) {
            file = try OpenFile(path, .createNew)
        } catch .exists {
            // Somebody else's: whatever has the name goes, and is not followed.
            try Files.unlink(path)
            file = try OpenFile(path, .createNew)
        }
        segments.append(Segment(start: end, end: end))
        current = file
        return file
    }

    private func closeCurrent() {
        current?.close()
        current = nil
        guard let last = segments.last, last.start == last.end else { return }
        remove(at: segments.count - 1)
    }

    private func removeOld() {
        while segments.count > (current == nil ? 0 : 1),
            end - segments[0].start > limit + UInt64(segmentSize) || segments.count > mostSegments
        {
            remove(at: 0)
        }
    }

    private func remove(at index: Int) {
        let start = segments.remove(at: index).start
        open.removeAll { $0.start == start }
        do throws(UVError) { try Files.unlinkIfPresent(path(start)) } catch {
            // It stays until the session is started anew, or pruned.
        }
    }

    /// Gives the disk back the oldest segment, for something that must be written.
    ///
    /// - Returns: false if there is none.
    func removeOldest() -> Bool {
        guard !segments.isEmpty else { return false }
        if segments.count == 1 { closeCurrent() }
        guard !segments.isEmpty else { return true }
        remove(at: 0)
        return true
    }

    // MARK: Reading

    /// What there is at an offset before the end.
    func place(at offset: UInt64) -> Place {
        // The last one is what most readers are in.
        guard let index = segments.lastIndex(where: { $0.start <= offset }) else {
            return .gap(end: segments.first?.start ?? end)
        }
        if offset < segments[index].end { return .kept(start: segments[index].start, end: segments[index].end) }
        return .gap(end: index + 1 < segments.count ? segments[index + 1].start : end)
    }

    /// Reads from a segment, as much as `buffer` holds.
    ///
    /// - Throws: ``UVError/noEntry`` and its like if the file has gone; ``UVError/tooManyOpenFiles`` and its like.
    func read(
        _ buffer: UnsafeMutableRawBufferPointer, from offset: UInt64, inSegmentAt start: UInt64,
    ) throws(UVError) -> Int {
        try file(start).readOnce(into: buffer, from: offset - start)
    }

    private func file(_ start: UInt64) throws(UVError) -> OpenFile {
        if let index = open.firstIndex(where: { $0.start == start }) {
            let found = open.remove(at: index)
            open.append(found)
            return found.file
        }
        let file = try OpenFile(path(start), .readOnly)
        guard file.statusAtOpening.owner == CurrentProcess.userID else { throw .notPermitted }
        if open.count >= KeptStream.mostOpen { open.removeFirst() }
        open.append((start, file))
        return file
    }

    /// Closes what was open for readers, of whom there are none.
    func closeReaders() { open = [] }

    func close() {
        closeCurrent()
        closeReaders()
    }
}
