internal import KeeperProtocol
internal import UVLoop

/// The segments of one stream: files that hold its last bytes, each named by the offset of its first byte.
final class KeptStream {
    struct Segment {
        let start: UInt64
        var end: UInt64
    }

    /// The bytes at an offset, or the lack of them.
    enum Place {
        /// Bytes up to `end`, in the segment that begins at `start`.
        case kept(start: UInt64, end: UInt64)
        /// No bytes are kept before `end`.
        case gap(end: UInt64)
    }

    /// The most segments kept, however small they are, unless the limit needs more.
    private static let mostSegments = 256
    /// The most segments open for readers at a time.
    private static let mostOpen = 4

    let name: ChildStream
    private let session: SessionID
    private let epoch: String
    private let paths: KeeperPaths
    private let limit: UInt64
    private let segmentSize: Int
    private let mostSegments: Int
    private(set) var segments: [Segment] = []
    /// The number of bytes the stream has had.
    private(set) var end: UInt64 = 0
    /// The number of these bytes that could not be written.
    private(set) var lostByteCount: UInt64 = 0
    /// The last segment, while more is written to it.
    private var current: OpenFile?
    /// Segments open for readers, the most recently used last.
    private var open: [(start: UInt64, file: OpenFile)] = []
    /// Called with the error when bytes are lost.
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

    /// Adds bytes; bytes that the disk does not take become a gap.
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
                // A segment has no holes: after a short write the next segment begins.
                if count < part.count || count == room { closeCurrent() }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } catch {
                let isEmpty = current == nil || segments[segments.count - 1].start == end
                closeCurrent()
                // A segment that has grown too long, for a limit on the size of files, gets a successor.
                guard isEmpty else { continue }
                end += UInt64(rest.count)
                lostByteCount += UInt64(rest.count)
                // On a full disk, removing segments that are too old makes room for later bytes.
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
            // The name is taken by another file, which is removed, and not followed if it is a link.
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
            // The file stays until the session is started anew, or pruned.
        }
    }

    /// Removes the oldest segment, to make room on the disk for something that must be written.
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

    /// The bytes, or the gap, at an offset before the end.
    func place(at offset: UInt64) -> Place {
        // The search begins at the last segment, where most readers are.
        guard let index = segments.lastIndex(where: { $0.start <= offset }) else {
            return .gap(end: segments.first?.start ?? end)
        }
        if offset < segments[index].end { return .kept(start: segments[index].start, end: segments[index].end) }
        return .gap(end: index + 1 < segments.count ? segments[index + 1].start : end)
    }

    /// Reads from a segment, as much as `buffer` holds.
    ///
    /// - Throws: ``UVError/noEntry`` and its like if the file is gone; ``UVError/tooManyOpenFiles`` and its like.
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

    /// Handles a segment that was removed or replaced: if it is the last one, later bytes go to a new one.
    func segmentIsGone(at start: UInt64) {
        if segments.last?.start == start { closeCurrent() }
    }

    /// Closes the segments opened for readers, once there are none.
    func closeReaders() { open = [] }

    func close() {
        closeCurrent()
        closeReaders()
    }
}
