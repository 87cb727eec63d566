internal import KeeperProtocol
internal import UVLoop

/// The session's record on disk: replaced by rename, so that no reader sees half a record.
///
/// Room for the last record is taken at the start, in a file of its own, so that a full disk does not lose how the
/// session ended. The files are not synchronised: after a crash of the system, a record that does not parse counts as
/// none.
final class RecordFile {
    private(set) var record: SessionRecord
    private let session: SessionID
    private let paths: KeeperPaths
    /// The room, as an open file: writing into it needs nothing that the system may refuse.
    private var room: OpenFile?
    /// The number of bytes taken as room.
    private var reserved = 0

    init(_ record: SessionRecord, of session: SessionID, paths: KeeperPaths) {
        self.record = record
        self.session = session
        self.paths = paths
    }

    private var path: String { paths.record(for: session) }
    private var reservePath: String { paths.reserve(for: session, epoch: record.epoch) }

    /// The most bytes by which the last record is longer than the present one: the tail of standard error, 64 writers
    /// with names of 64 bytes, 64 processes, the child, and the rest.
    private static let growth = 6 * 4096 + 64 * 140 + 64 * 12 + 2048

    private static let block = 4096

    // MARK: While the session lives

    /// Replaces the record, and takes room for the last one.
    func write(_ change: (inout SessionRecord) -> Void) throws(UVError) {
        var next = record
        change(&next)
        let bytes = next.fileBytes
        try replace(with: bytes)
        record = next
        reserve(bytes.count + RecordFile.growth)
    }

    private func replace(with bytes: [UInt8]) throws(UVError) {
        try SessionRecord.replace(path, with: bytes, paths: paths)
    }

    /// Takes so many bytes of the disk, in whole blocks; bytes taken before are kept.
    private func reserve(_ byteCount: Int) {
        guard byteCount > reserved else { return }
        let size = (byteCount + RecordFile.block - 1) / RecordFile.block * RecordFile.block
        do throws(UVError) {
            let file = if let room { room } else { try makeReserve() }
            room = file
            try RecordFile.take(size, of: file)
            reserved = size
        } catch {
            // The disk is full: at the end, the oldest output makes room for the missing bytes.
        }
    }

    private func makeReserve() throws(UVError) -> OpenFile {
        do throws(UVError) { return try OpenFile(reservePath, .createNew) } catch .exists {
            try Files.unlink(reservePath)
            return try OpenFile(reservePath, .createNew)
        }
    }

    private static func take(_ byteCount: Int, of file: OpenFile) throws(UVError) {
        guard try !file.allocate(byteCount) else { return }
        // Zeros are written block by block: memory that a keeper has once touched stays its own.
        let zeros = [UInt8](repeating: 0, count: block)
        var end = Int(try file.status().size)
        while end < byteCount {
            try file.write(zeros, at: end)
            end += zeros.count
        }
    }

    // MARK: The end

    /// Writes the last record, into the room that was taken for it. Where nothing else helps, the record goes without its
    /// longest parts: how the session ended is worth more than its last words.
    ///
    /// - Parameter makeRoom: called while the disk is full; returns false if there is nothing more to remove.
    func writeLast(_ exit: SessionExit, makeRoom: () -> Bool) throws(UVError) {
        record.exit = exit
        if let room, write(record.fileBytes, into: room) { return }
        removeReserve()
        while true {
            do throws(UVError) {
                return try replace(with: record.fileBytes)
            } catch {
                // A limit of the size of files stays, whatever is removed.
                if error.isDiskFull, makeRoom() { continue }
                guard error.isDiskFull || error == .fileTooLarge, record.shorten() else { throw error }
            }
        }
    }

    private func write(_ bytes: [UInt8], into room: OpenFile) -> Bool {
        do throws(UVError) {
            // A copy of the directory may have put another file in the room's place.
            guard try Files.status(of: reservePath, followingLinks: false).identity == room.status().identity else {
                return false
            }
            try room.write(bytes, at: 0)
            // The unused part of the room goes back to the disk.
            try room.truncate(to: UInt64(bytes.count))
            try Files.rename(reservePath, to: path)
            room.close()
            self.room = nil
            return true
        } catch {
            return false
        }
    }

    /// Gives the room back.
    func removeReserve() {
        guard let room else { return }
        room.close()
        self.room = nil
        reserved = 0
        do throws(UVError) { try Files.unlinkIfPresent(reservePath) } catch {
            // The file goes at the next start of the session, or when the session is pruned.
        }
    }

    /// Removes the record of a former life. Called if the new one cannot be written.
    func removeFormer() {
        do throws(UVError) { try Files.unlinkIfPresent(path) } catch {
            // The old record has another epoch, by which a reader can tell.
        }
    }

    // MARK: Former lives

    /// Removes the output of former lives of the session, once its record was replaced.
    static func removeFormer(of session: SessionID, except epoch: String, paths: KeeperPaths, log: KeeperLog) {
        do throws(UVError) {
            let directory = paths.directory.isEmpty ? "." : paths.directory
            // Only names of this session are listed: all names of thousands of sessions would be a megabyte that the
            // keeper never gives back.
            for name in try Files.names(inDirectory: directory, startingWith: "\(session).") {
                if let segment = SegmentName(name), segment.session == session, segment.epoch != epoch {
                    try Files.unlinkIfPresent(paths.segment(segment))
                } else if let reserve = KeeperPaths.reserve(named: name), reserve.session == session,
                    reserve.epoch != epoch
                {
                    try Files.unlinkIfPresent(paths.reserve(for: session, epoch: reserve.epoch))
                }
            }
        } catch {
            log.write("cannot remove the output of a former life of the session: \(error)")
        }
    }
}

extension SessionRecord {
    /// Gives up the longest part of a last record; returns false if there is no more to give up.
    fileprivate mutating func shorten() -> Bool {
        if exit?.stderrTail.isEmpty == false {
            exit?.stderrTail = ""
        } else if exit?.writers.isEmpty == false {
            exit?.writers = []
        } else if command != nil {
            (command, cut) = (nil, true)
        } else if exit?.leftBehind.isEmpty == false {
            exit?.leftBehind = []
        } else {
            return false
        }
        return true
    }
}
