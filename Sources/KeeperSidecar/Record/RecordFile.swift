internal import KeeperProtocol
internal import UVLoop

/// The session's record on disk: replaced by rename, never seen half.
///
/// Room for the last one is taken at the start, in a file of its own, so that a full disk does not lose how the session ended.
/// Nothing is synchronised: after a crash of the system a record that does not parse counts as none.
final class RecordFile {
    private(set) var record: SessionRecord
    private let session: SessionID
    private let paths: KeeperPaths
    /// The room, as a file that is open: nothing that the system may refuse is needed to write into it.
    private var room: OpenFile?
    /// How many bytes were taken.
    private var reserved = 0

    init(_ record: SessionRecord, of session: SessionID, paths: KeeperPaths) {
        self.record = record
        self.session = session
        self.paths = paths
    }

    private var path: String { paths.record(for: session) }
    private var reservePath: String { paths.reserve(for: session, epoch: record.epoch) }

    /// The last record is longer than the present one by this much at most: the last of standard error, 64 writers with names
    /// of 64 bytes, 64 processes, its child, and the rest.
    private static let growth = 6 * 4096 + 64 * 140 + 64 * 12 + 2048

    private static let block = 4096

    // MARK: While the session lives

    /// Replaces the record, and sees to the room for the last one; if there is none, the output that is kept makes some.
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

    /// Takes so many bytes of the disk, in whole blocks. What was taken before stays.
    private func reserve(_ byteCount: Int) {
        guard byteCount > reserved else { return }
        let size = (byteCount + RecordFile.block - 1) / RecordFile.block * RecordFile.block
        do throws(UVError) {
            let file = if let room { room } else { try makeReserve() }
            room = file
            try RecordFile.take(size, of: file)
            reserved = size
        } catch {
            // Then the oldest output makes room at the end, for what is missing.
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
        // Full of zeros, in pieces: memory that a keeper has once touched stays its own.
        let zeros = [UInt8](repeating: 0, count: block)
        var end = Int(try file.status().size)
        while end < byteCount {
            try file.write(zeros, at: end)
            end += zeros.count
        }
    }

    // MARK: The end

    /// Writes the last record, into the room that was taken for it.
    ///
    /// - Parameter makeRoom: called while the disk is full; false if there is nothing more to give.
    func writeLast(_ exit: SessionExit, makeRoom: () -> Bool) throws(UVError) {
        record.exit = exit
        let bytes = record.fileBytes
        if let room, write(bytes, into: room) { return }
        removeReserve()
        while true {
            do throws(UVError) {
                return try replace(with: bytes)
            } catch {
                guard error.isDiskFull, makeRoom() else { throw error }
            }
        }
    }

    private func write(_ bytes: [UInt8], into room: OpenFile) -> Bool {
        do throws(UVError) {
            try room.write(bytes, at: 0)
            // What is left of the room goes back.
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
            // It goes with the next start of the session, or when that is pruned.
        }
    }

    /// Removes the record of a former life, if the new one cannot be written.
    func removeFormer() {
        do throws(UVError) { try Files.unlinkIfPresent(path) } catch {
            // It is of another epoch than this keeper's, which whoever reads it can tell.
        }
    }

    // MARK: Former lives

    /// Removes the output of other lives of the session, after its record was replaced. Nothing is looked for if there was none.
    static func removeFormer(of session: SessionID, except epoch: String, paths: KeeperPaths, log: KeeperLog) {
        do throws(UVError) {
            let directory = paths.directory.isEmpty ? "." : paths.directory
            // Beside thousands of sessions all names would be a megabyte, which stays a keeper's own.
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
