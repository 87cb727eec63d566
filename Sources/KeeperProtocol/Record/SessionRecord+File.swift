package import UVLoop

extension SessionRecord {
    /// The record in a file; nil if there is none that can be read, belongs to somebody who is trusted, and parses.
    package init?(at path: String) {
        do throws(UVError) {
            guard let record = try SessionRecord.read(at: path) else { return nil }
            self = record
        } catch {
            return nil
        }
    }

    /// The same, for those who try again if it cannot be told.
    ///
    /// - Throws: ``UVError/tooManyOpenFiles`` and its like.
    package static func read(at path: String) throws(UVError) -> SessionRecord? {
        do throws(UVError) {
            let file = try OpenFile(path, .readOnly)
            defer { file.close() }
            guard OwnerTrust.trusts(file.statusAtOpening.owner) else { return nil }
            return SessionRecord(try file.read(limit: SessionRecord.longestRecord))
        } catch {
            if error.isShortage { throw error }
            return nil
        }
    }

    /// The bytes of its file.
    package var fileBytes: [UInt8] {
        var bytes = json.encoded
        bytes.append(NewlineScan.newline)
        return bytes
    }

    /// Replaces a record by rename, so that it is never seen half.
    package static func replace(_ path: String, with bytes: [UInt8], paths: KeeperPaths) throws(UVError) {
        let (file, temporary) = try temporaryFile(for: path, paths)
        defer { file.close() }
        do throws(UVError) {
            try file.write(bytes)
            try Files.rename(temporary, to: path)
        } catch {
            PIDFile.removeTemporary(temporary)
            throw error
        }
    }

    private static func temporaryFile(
        for path: String, _ paths: KeeperPaths,
    ) throws(UVError) -> (OpenFile, String) {
        for _ in 0..<8 {
            let temporary = paths.temporaryFile(for: path, random: .random(in: .min ... .max))
            do throws(UVError) { return (try OpenFile(temporary, .createNew), temporary) } catch .exists { continue }
        }
        throw .exists
    }

    /// The present time as records have it.
    package static var now: String { timestamp(SystemClock.wallClockTime) }

    /// A time since 1970 as records have it.
    package static func timestamp(_ time: Duration) -> String {
        LogTimestamp.text(millisecondsSinceEpoch: Int64(time / .milliseconds(1)))
    }
}
