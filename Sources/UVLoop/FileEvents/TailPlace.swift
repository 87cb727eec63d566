internal import CLibUV

/// The open file of a tail, the place up to which it was read, and bytes remembered from the reading.
///
/// A file that was cut and has grown past the place looks like one that has only grown: same inode, more bytes. The
/// bytes before the place and the first bytes of the file tell the two apart. Only a file that was refilled with the
/// very same bytes there is taken for one that grew.
struct TailPlace: Sendable {
    /// The result of one read.
    enum Found: Sendable, Equatable {
        /// At least one byte.
        case bytes([UInt8])
        /// No more bytes, for now.
        case end
        /// The file was cut in place, or filled with other bytes; the place is its start now.
        case cut
        case failed(UVError)
    }

    private static let headLimit = 256
    private static let beforeLimit = 1024
    /// The least number of bytes that each read checks again. If fewer stand before the place, the first new bytes are
    /// checked too: otherwise a cut during the read would go unnoticed.
    private static let windowLimit = 512

    let file: SharedDescriptor
    let identity: FileIdentity
    /// The offset of the next byte to read.
    private(set) var offset = 0
    /// The first bytes of the file, at most `headLimit`; fewer if the place is before that.
    private var head: [UInt8] = []
    /// The last bytes before the place, at most `beforeLimit`.
    private var before: [UInt8] = []
    /// The number of lines before the place at which reading begins, until their start has been looked for.
    private var linesBack: Int?

    /// Opens a regular file at its start.
    ///
    /// - Throws: ``FileTailError``, with ``UVError/noEntry`` if no file has the path, ``UVError/symbolicLink`` if the
    /// last component is a link and `followingLinks` is false.
    init(opening path: String, followingLinks: Bool) throws(FileTailError) {
        do throws(UVError) {
            // The kind is checked before the open, since opening a device may have effects.
            try TailPlace.requireRegular(Files.status(of: path, followingLinks: followingLinks))
            if followingLinks {
                file = SharedDescriptor(try Descriptors.open(path, waitsForWriter: false))
            } else {
                let open = try OpenFile(path, .readOnly)
                defer { open.close() }
                file = SharedDescriptor(try Descriptors.duplicate(open.descriptor))
            }
            let status = try FileStatus(ofDescriptor: file.number)
            try TailPlace.requireRegular(status)
            identity = status.identity
        } catch {
            throw FileTailError(path: path, systemError: error)
        }
        #if os(Linux)
        do throws(UVError) {
            let kind = try RawText.withCString(path) { uvloop_file_system($0) }
            // proc and sysfs make the bytes of a file as they are read; its size is 0.
            if [0x9FA0, 0x6265_6572].contains(kind) { throw .notSupported }
        } catch {
            throw FileTailError(path: path, systemError: error)
        }
        #endif
    }

    private static func requireRegular(_ status: FileStatus) throws(UVError) {
        switch status.kind {
        case .regular: return
        case .directory: throw .isDirectory
        case .symbolicLink: throw .symbolicLink
        default: throw .invalidArgument
        }
    }

    /// Moves to the place where reading begins, in a file that was just opened.
    mutating func go(to start: FileTail.Start) throws(UVError) {
        let size = Int(clamping: try FileStatus(ofDescriptor: file.number).size)
        switch start {
        case .start: break
        case .end: try move(to: size)
        case .offset(let offset): try move(to: min(size, Int(clamping: offset)))
        case .lastLines(let count):
            try move(to: size)
            if count > 0 { linesBack = count }
        }
    }

    private mutating func move(to offset: Int) throws(UVError) {
        head = try bytes(from: 0, count: min(offset, TailPlace.headLimit))
        let count = min(offset, TailPlace.beforeLimit)
        before = try bytes(from: offset - count, count: count)
        self.offset = offset
        // Fewer bytes mean that the file has shrunk between these calls.
        if before.count < count || head.count < min(offset, TailPlace.headLimit) { _ = cut() }
    }

    /// Reads at the place, at most `limit` bytes, and moves the place past them.
    mutating func read(limit: Int) -> Found {
        do throws(UVError) {
            if let count = linesBack {
                let end = self
                try move(
                    to: LastLines.start(of: count, before: offset, in: file.number) {
                        (offset, length) throws(UVError) in
                        try end.bytes(from: offset, count: length)
                    })
                linesBack = nil
                guard try end.isUntouched(end.before, endingAt: end.offset) else { return cut() }
            }
            let bytes = try bytes(from: offset, count: limit)
            // The check comes after the read: if the file is unchanged now, it was so during the read. The check
            // includes the first new bytes, since pages are read one by one and a cut may have come between two of
            // them.
            let known = before + bytes.prefix(max(0, TailPlace.windowLimit - before.count))
            let end = offset - before.count + known.count
            guard try size() >= offset + bytes.count, try isUntouched(known, endingAt: end) else { return cut() }
            guard !bytes.isEmpty else { return .end }
            remember(bytes)
            return .bytes(bytes)
        } catch {
            return .failed(error)
        }
    }

    private mutating func cut() -> Found {
        offset = 0
        head = []
        before = []
        linesBack = nil
        return .cut
    }

    private mutating func remember(_ bytes: [UInt8]) {
        if head.count == offset { head += bytes.prefix(TailPlace.headLimit - head.count) }
        before = Array((before + bytes.suffix(TailPlace.beforeLimit)).suffix(TailPlace.beforeLimit))
        offset += bytes.count
    }

    private func size() throws(UVError) -> Int { Int(clamping: try FileStatus(ofDescriptor: file.number).size) }

    private func isUntouched(_ known: [UInt8], endingAt end: Int) throws(UVError) -> Bool {
        guard try bytes(from: end - known.count, count: known.count) == known else { return false }
        return try bytes(from: 0, count: head.count) == head
    }

    private func bytes(from offset: Int, count: Int) throws(UVError) -> [UInt8] {
        try file.bytes(from: UInt64(offset), count: count)
    }
}
